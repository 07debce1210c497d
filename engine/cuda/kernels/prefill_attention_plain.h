// prefill_attention.h by plain multiply-adds: float32, the mode in which results are checked, and
// heads wider than the tensor-core kernel's.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_PLAIN_H_
#define STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_PLAIN_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "engine/cuda/kernels/prefill_attention.h"

namespace strided::cuda {

// As LaunchPrefillAttention, for any operand and widths; `partial` is not used.
absl::Status LaunchPrefillAttentionPlain(const PrefillAttention& attention, Operand operand,
                                         bool dependent, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_PLAIN_H_
