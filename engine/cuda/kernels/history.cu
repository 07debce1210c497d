#include "engine/cuda/kernels/history.cuh"
#include "engine/cuda/kernels/history.h"
#include "engine/cuda/kernels/launch.h"

namespace strided::cuda {
namespace {

constexpr int kThreads = 128;

// One thread a row.
__global__ void ObserveRows(const DecodeRow* rows_state, int rows,
                            const DeviceSequence* sequences) {
  WaitForGridBefore();
  LetNextGridStart();
  const int r = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (r < rows) ObserveInput(rows_state[r], sequences);
}

}  // namespace

absl::Status LaunchObserve(const DecodeRow* rows_state, int rows, const DeviceSequence* sequences,
                           bool dependent, cudaStream_t stream) {
  if (rows == 0) return absl::OkStatus();
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>((rows + kThreads - 1) / kThreads));
  shape.block = dim3(kThreads);
  shape.dependent = dependent;
  return Launch("observe", ObserveRows, shape, stream, rows_state, rows, sequences);
}

}  // namespace strided::cuda
