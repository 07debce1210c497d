// wide_product.h for float32 weights: plain multiply-adds, the mode in which results are checked.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_WIDE_PRODUCT_FLOAT32_H_
#define STRIDED_ENGINE_CUDA_KERNELS_WIDE_PRODUCT_FLOAT32_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "engine/cuda/kernels/wide_product.h"

namespace strided::cuda {

// As LaunchWideProduct. Each output is one chain of fused multiply-adds, inputs ascending.
absl::Status LaunchWideProductFloat32(const WideProduct& product, bool dependent,
                                      cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_WIDE_PRODUCT_FLOAT32_H_
