// Products of prefill in large tiles that the hardware copies: WideTile::kStreamed.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_STREAMED_PRODUCT_H_
#define STRIDED_ENGINE_CUDA_KERNELS_STREAMED_PRODUCT_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/wide_product.h"

namespace strided::cuda {

// Whether the device has warpgroups, and memory for the kernel, and results can be copied back:
// their rows start at multiples of 16 bytes.
bool CanStream(const CurrentDevice& device, const WideProduct& product, WeightFormat format);

// LaunchWideProduct's work for a 16- or 8-bit format, where CanStream.
absl::Status LaunchStreamedProduct(const WideProduct& product, WeightFormat format,
                                   const CurrentDevice& device, bool dependent,
                                   cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_STREAMED_PRODUCT_H_
