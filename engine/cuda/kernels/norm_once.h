// The norm of decode_product.h as a kernel of its own: once for all blocks of a product of many
// rows, which would each norm its own columns.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_NORM_ONCE_H_
#define STRIDED_ENGINE_CUDA_KERNELS_NORM_ONCE_H_

#include <cuda_runtime_api.h>

#include "absl/status/statusor.h"
#include "engine/cuda/kernels/decode_product.h"

namespace strided::cuda {

// The product of rows that have been normed, by a kernel that is dependent on the one before it in
// `stream`; `product` as it is, if that is not normed. Requires `normed_rows` and a format of at
// most 16 bits.
absl::StatusOr<DecodeProduct> NormOnce(const DecodeProduct& product, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_NORM_ONCE_H_
