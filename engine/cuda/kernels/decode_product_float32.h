// The decode product of float32 weights: the checking mode.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_FLOAT32_H_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_FLOAT32_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "engine/cuda/kernels/decode_product.h"

namespace strided::cuda {

// As LaunchDecodeProduct, which calls it where the format is float32: plain sums, one warp for each
// output and row, lanes over the inputs.
absl::Status LaunchDecodeProductFloat32(const DecodeProduct& product, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_FLOAT32_H_
