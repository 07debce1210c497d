// The products of decode_product.h at many rows.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_TILE_H_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_TILE_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "engine/cuda/kernels/decode_product.h"

namespace strided::cuda {

// Whether a product is computed in tiles: of many rows, whose sizes are whole groups of inputs and
// whole vectors of outputs, within a step, and with room for normed rows where it needs them.
bool TakesTiles(const DecodeProduct& product);

// Requires TakesTiles(product). The norm is a kernel of its own, before the product's: once for all
// tiles. Both dependent on the kernel before them in `stream`.
absl::Status LaunchProductTiles(const DecodeProduct& product, int multiprocessors,
                                cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_TILE_H_
