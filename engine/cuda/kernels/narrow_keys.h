// Prefill's keys and values on their way into int8 caches (narrow_row.cuh, narrow_cache.cuh). Those
// of a decode step are put there by its attention.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_NARROW_KEYS_H_
#define STRIDED_ENGINE_CUDA_KERNELS_NARROW_KEYS_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "engine/cuda/kernels/prefill_attention.h"

namespace strided::cuda {

// Rounds the keys and values of prefill's rows, in place, to what the caches will give back, so
// that it does not matter where a prompt is cut; their scales to attention.scales. Before the
// layer's attention. Requires `operand` of 16 bits.
absl::Status LaunchRoundKeys(const PrefillAttention& attention, Operand operand, bool dependent,
                             cudaStream_t stream);

// LaunchStoreKeys for int8 caches, of rows that LaunchRoundKeys has rounded.
absl::Status LaunchStoreNarrowKeys(const PrefillAttention& attention, Operand operand,
                                   bool dependent, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_NARROW_KEYS_H_
