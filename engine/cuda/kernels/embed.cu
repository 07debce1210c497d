#include <cstdint>

#include "engine/cuda/kernels/embed.cuh"
#include "engine/cuda/kernels/embed.h"
#include "engine/cuda/kernels/history.cuh"
#include "engine/cuda/kernels/launch.h"

namespace strided::cuda {
namespace {

constexpr int kThreads = 256;

// Grid: rows.
__global__ void __launch_bounds__(kThreads)
    EmbedKernel(const __grid_constant__ DeviceTables tables, const DecodeRow* row_states,
                const DeviceSequence* sequences, int d_model, float* hidden) {
  WaitForGridBefore();
  LetNextGridStart();
  const DecodeRow row = row_states[blockIdx.x];
  if (row.slot < 0) return;
  if (threadIdx.x == 0) ObserveInput(row, sequences);
  EmbedRow(tables, row.input, row.position, sequences[row.slot].start, d_model,
           hidden + static_cast<int64_t>(blockIdx.x) * d_model);
}

}  // namespace

absl::Status LaunchEmbed(const DeviceTables& tables, const DecodeRow* row_states,
                         const DeviceSequence* sequences, int rows, int d_model, float* hidden,
                         cudaStream_t stream) {
  LaunchShape shape;
  shape.grid = dim3(rows);
  shape.block = dim3(kThreads);
  shape.dependent = true;
  shape.in_decode_step = true;
  return Launch("embed", EmbedKernel, shape, stream, tables, row_states, sequences, d_model,
                hidden);
}

}  // namespace strided::cuda
