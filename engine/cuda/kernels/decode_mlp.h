// The MLP half of a layer in a decode step of few rows, as one kernel: H += down(f(up(norm(H)))).
//
// Bits are those of the two products of decode_product.h.
//
// Bound by latencies: of a launch, of one read of the rows, of one exchange within a cluster of
// blocks. Both matrices are read before the wait for the grid before, once per 8 rows.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_MLP_H_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_MLP_H_

#include <cuda_runtime_api.h>

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"

namespace strided::cuda {

// Pointers are into device memory; rows are the step's.
struct DecodeMlp {
  WeightFormat format = WeightFormat::kBfloat16;
  DeviceNorm norm;
  DeviceMatrix up;
  DeviceMatrix down;
  Activation activation = Activation::kQuickGelu;
  float* hidden = nullptr;  // [rows][d_model] the residual stream
  int rows = 0;
};

// Blocks of a cluster, one for each of `down`'s warps (ProductWarps), where the kernel takes these
// sizes; 0 where it does not. Pure.
int MlpBlocks(int d_model, int d_ff);

// Up to how many rows it is faster than the two products: 0 where matrices are large, since a
// cluster's blocks read both anew for every 8 rows, through the few ways that they share. Pure.
int MlpRows(int d_model, int d_ff);

// Whether the current device takes it: clusters of so many blocks, with their shared memory.
// Internal where CUDA does not answer.
absl::StatusOr<bool> TakesDecodeMlp(const DecodeMlp& mlp);

// One kernel, dependent on the one before it in `stream`. Requires TakesDecodeMlp(mlp).
absl::Status LaunchDecodeMlp(const DecodeMlp& mlp, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_MLP_H_
