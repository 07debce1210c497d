// The products of decode_product.h that add to the residual stream, at a moderate number of rows:
// a cluster of blocks shares the inputs.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_SPLIT_H_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_SPLIT_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/kernels/decode_product.h"

namespace strided::cuda {

// Whether the product is computed so on the current device: of 1024 inputs, a group to each block.
// Internal where CUDA does not answer.
absl::StatusOr<bool> TakesSplit(const DecodeProduct& product);

// One kernel, dependent on the one before it in `stream`. Requires TakesSplit(product).
absl::Status LaunchProductSplit(const DecodeProduct& product, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_SPLIT_H_
