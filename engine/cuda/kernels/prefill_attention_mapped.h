// prefill_attention.h for layers of one local or strided pattern: the hardware copies tiles of
// keys.
//
// The keys of a tile lie at even distances, and a key with its value takes whole 128 bytes of a
// row: one part where both have 32 elements, three where they have 64 and 128. So one thread copies
// a tile in one instruction a part (tile_map.h), where the call's own rows hold all of it; others
// are copied by all threads, as by the kernel for all patterns. The same bits as that one's.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_MAPPED_H_
#define STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_MAPPED_H_

#include "absl/status/status.h"
#include "engine/cuda/kernels/prefill_attention.h"

namespace strided::cuda {

// Whether a device with warpgroups (warpgroup.cuh) takes a grid so: keys and values of 32 and 32,
// or of 64 and 128.
bool CanMapKeys(const PrefillAttention& attention, const QueryGrid& grid);

// Launches one order of queries on `stream`; `dependent` as in launch.h. Requires CanMapKeys.
absl::Status LaunchMappedAttention(const PrefillAttention& attention, Operand operand,
                                   QueryOrder order, const QueryGrid& grid, bool dependent,
                                   cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_MAPPED_H_
