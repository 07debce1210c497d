// Shows a sequence the tokens that it holds. Any number of threads at once: what is left does not
// depend on their order.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_HISTORY_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_HISTORY_CUH_

#include <cstdint>

#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda {

// x(position) = token. To be executed by one thread, once for each position. Requires
// 0 <= token < vocab; nothing where there is no history.
__device__ __forceinline__ void ObserveToken(const DeviceSampler& sampler, int position,
                                             int32_t token) {
  if (sampler.history == nullptr) return;
  static_assert(kUnseenToken < 0, "seen and counted are one step up from it");
  atomicMax(&sampler.history[token], 0);
  if (position >= sampler.prompt_length) atomicAdd(&sampler.history[token], 1);
}

// The row's input, where it is a token. Nothing for an idle row. To be executed by one thread.
__device__ __forceinline__ void ObserveInput(const DecodeRow& row,
                                             const DeviceSequence* sequences) {
  if (row.slot < 0 || row.input < 0) return;
  ObserveToken(sequences[row.slot].sampler, row.position - 1, row.input);
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_HISTORY_CUH_
