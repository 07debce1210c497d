// Products of prefill whose inputs a block can hold, as warpgroups compute them: WideTile::kHeld.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_HELD_PRODUCT_H_
#define STRIDED_ENGINE_CUDA_KERNELS_HELD_PRODUCT_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/wide_product.h"

namespace strided::cuda {

// Whether a block of this device holds the matrix's inputs of its rows, and has warpgroups.
bool CanHoldRows(const CurrentDevice& device, int inputs);

// LaunchWideProduct's work for a 16- or 8-bit format, where CanHoldRows.
absl::Status LaunchHeldProduct(const WideProduct& product, WeightFormat format,
                               const CurrentDevice& device, bool dependent, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_HELD_PRODUCT_H_
