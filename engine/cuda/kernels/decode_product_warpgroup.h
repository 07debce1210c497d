// The products of decode_product.h at many rows of width 512, by warpgroups.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_WARPGROUP_H_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_WARPGROUP_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/kernels/decode_product.h"

namespace strided::cuda {

// Whether the product is computed so on the current device, of 9.0 with code for its own features:
// 512 inputs, or 2048 that are added to the residual stream, of as many rows as
// FewestWarpgroupRows; outputs in whole 64s. Internal where CUDA does not answer.
absl::StatusOr<bool> TakesWarpgroups(const DecodeProduct& product);

// From how many rows on a product of `inputs` is faster so: at fewer decode_product_known.h is,
// which norms as it reads, but shares no inputs of 2048. Pure.
int FewestWarpgroupRows(int inputs);

// Rows of the step to a block, 16, 32 or 64: of 2048 inputs 64 where 32 would make more blocks than
// there are multiprocessors; of 512 that are added to the residual stream few, as its outputs are.
// Pure.
int ChooseWarpgroupColumns(ProductOutput output, int inputs, int rows);

// The norm, where there is one, as a kernel of its own, then the product's, each dependent on the
// one before it in `stream`. Requires TakesWarpgroups(product).
absl::Status LaunchProductWarpgroups(const DecodeProduct& product, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_WARPGROUP_H_
