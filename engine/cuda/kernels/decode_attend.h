// The attention half of a layer in a decode step of few rows, as one kernel: H += O
// attend(norm(H)).
//
// Takes the place of three launches, and gives their bits: queries, keys and values of
// decode_product.h, decode_attention.h, and the product that is added to the residual stream. For
// heads that are 16 and 32 wide, of one chunk of keys.
//
// Bound by latencies: of a launch, of one read of the rows, of one exchange within a cluster of
// blocks. Matrices and older keys are read before the wait for the grid before, once per row.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_ATTEND_H_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_ATTEND_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/kernels/decode_attention.h"
#include "engine/cuda/kernels/decode_product.h"

namespace strided::cuda {

// The three launches, of the same rows and heads. What they leave for each other (queries, `in`
// and `out` between them) is not used.
struct DecodeAttend {
  DecodeProduct qkv;
  DecodeAttention attention;
  DecodeProduct out;
};

// Whether the current device has a kernel for it. Internal where CUDA does not answer.
absl::StatusOr<bool> TakesDecodeAttend(const DecodeAttend& attend);

// One kernel, dependent on the one before it in `stream`. Requires TakesDecodeAttend(attend).
absl::Status LaunchDecodeAttend(const DecodeAttend& attend, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_ATTEND_H_
