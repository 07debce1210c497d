// The rows between the products of prefill: section 5.3's input embedding, and the layer norms.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PREFILL_INPUTS_H_
#define STRIDED_ENGINE_CUDA_KERNELS_PREFILL_INPUTS_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/kernels/prefill_rows.h"

namespace strided::cuda {

// hidden[row] = the input of the row's step: its token's embedding, or its sequence's start vector,
// plus one row of each position table. Float32, added in that order. Pointers are into device
// memory.
struct EmbedRows {
  PrefillRows rows;
  const DeviceSequence* sequences = nullptr;  // by slot
  DeviceTables tables;
  int d_model = 0;
  float* hidden = nullptr;  // [rows][d_model]
};

// Launches on `stream`; `dependent` as in launch.h.
absl::Status LaunchEmbedRows(const EmbedRows& embed, bool dependent, cudaStream_t stream);

// out[i] = norm(in[from[i]]) in the operand's type. Pointers are into device memory.
struct NormRows {
  DeviceNorm norm;                // weight null: the rows as they are
  const float* in = nullptr;      // [.][width]
  const int32_t* from = nullptr;  // [rows]; null: row i
  // [rows][out_stride]; only `width` elements are written. Aligned to 16 bytes, rows too.
  std::byte* out = nullptr;
  int64_t out_stride = 0;  // elements
  int width = 0;
  int rows = 0;
};

// Launches on `stream`; `dependent` as in launch.h. One warp a row, sums as in row_norm.cuh.
absl::Status LaunchNormRows(const NormRows& norm, Operand operand, bool dependent,
                            cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PREFILL_INPUTS_H_
