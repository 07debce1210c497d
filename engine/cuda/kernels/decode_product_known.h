// The products of decode_product.h whose sizes are known when they are compiled: a residual stream
// of width 512 and a hidden layer of four times that, at 9 to 191 rows.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_KNOWN_H_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_KNOWN_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/kernels/decode_product.h"

namespace strided::cuda {

// Whether the product is computed so on the current device, of 9.0 or later: 512 normed inputs to
// queries, keys and values or to activations, or 512 or 2048 inputs added to the residual stream;
// outputs in whole 64s. Internal where CUDA does not answer.
absl::StatusOr<bool> TakesKnown(const DecodeProduct& product);

// Tiles of 16 outputs to a block of normed rows, 1, 2 or 4: as few as leave each multiprocessor at
// most one block, else 4. Pure.
int ChooseKnownTiles(int outputs, int rows, int multiprocessors);

// Shared memory that a block of normed rows asks for, of which it uses `used` bytes: so much that
// each multiprocessor holds one, where that is enough for `blocks` (block_spread.h). `most_bytes`:
// of one block of the device. Pure.
int KnownSharedBytes(int used, int blocks, int multiprocessors, int most_bytes);

// One kernel, dependent on the one before it in `stream`. Requires TakesKnown(product).
absl::Status LaunchProductKnown(const DecodeProduct& product, int multiprocessors,
                                cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_KNOWN_H_
