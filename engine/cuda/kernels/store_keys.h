// Keys and values of a prefill call's rows, put where the decode step reads them.
//
// Only what the layout still holds after the call's last row of the sequence: of a ring's rows the
// last round, so that no two positions of a call write one row.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_STORE_KEYS_H_
#define STRIDED_ENGINE_CUDA_KERNELS_STORE_KEYS_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "engine/cuda/kernels/head_rows.h"
#include "engine/cuda/kernels/prefill_attention.h"
#include "engine/cuda/kernels/prefill_inputs.h"

namespace strided::cuda {

// HeadRows::Home of `position` if no position before `end`, exclusive, is put there after it; else
// -1. Summary cells' second homes are theirs alone.
STRIDED_HOST_DEVICE int HomeAfter(const HeadRows& head, int position, int end, int max_length) {
  const bool is_ring = head.kind == PatternKind::kLocal || head.kind == PatternKind::kBlock ||
                       (head.kind == PatternKind::kFixed && !head.InOrder(max_length));
  int round = is_ring ? head.period : 0;  // positions of a ring; 0: none
  if (head.kind == PatternKind::kPreviousBlock) round = 2 * head.period;
  if (round > 0 && position + round < end) return -1;
  return head.Home(position, max_length);
}

// Copies from `attention.qkv` to the caches, for a layer whose attention is done, and beside it
// computes `norm`, which has nothing to do with it: both are short, and wait for memory. No rows in
// `norm`: the copies alone. Launches one kernel on `stream`; `dependent` as in launch.h. Eight
// lanes per row and head.
absl::Status LaunchStoreKeys(const PrefillAttention& attention, const NormRows& norm,
                             Operand operand, bool dependent, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_STORE_KEYS_H_
