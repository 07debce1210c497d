// attend(q_i, K_S, V_S) of section 4.1 for many consecutive queries of each sequence.
//
// Keys and values of the call's own rows are read from `qkv`, earlier ones from the caches, which
// are not written (store_keys.h). Work follows the pattern, not n^2: blocks take queries in an
// order in which their keys are intervals (key_spans.h) and visit the tiles of keys between the
// least and the last. A query's result depends on its keys alone, bit for bit: tiles stand at
// multiples of their size on the key axis, and a tile without keys of a query changes nothing of
// it. That holds while keys and values are finite: within one sequence a value that is not may
// reach rows of the same call that do not read it.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_H_
#define STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/kernels/prefill_rows.h"
#include "engine/cuda/kernels/query_tiles.h"

namespace strided::cuda {

// One layer's attention. Pointers are into device memory.
struct PrefillAttention {
  PrefillRows rows;
  const DeviceSequence* sequences = nullptr;  // by slot
  const HeadRows* heads = nullptr;            // [n_head], the layer's
  int first_head = 0;                         // of the layer, in DeviceSequence::head_offsets
  int n_head = 0;
  int d_key = 0;
  int d_value = 0;
  float scale = 1;                 // of q . k
  const std::byte* qkv = nullptr;  // [rows][qkv_stride]: [head][query, key, value]
  int64_t qkv_stride = 0;          // elements; a multiple of 8
  std::byte* mixed = nullptr;      // [rows][mixed_stride]: [head][d_value]
  int64_t mixed_stride = 0;        // elements; even, a multiple of 4 where d_value is
  // [rows][n_head][d_value + 2]: what local_strided's columns give to its windows: a sum of values,
  // the largest score, the sum of weights. Null where the layer has no such head.
  float* partial = nullptr;
  // [rows][n_head] the scales of key and value where caches are int8 (narrow_keys.h); null: they
  // hold the operand's type.
  float2* scales = nullptr;
};

// The blocks of both orders of queries, for a layer's heads.
struct AttentionGrids {
  QueryGrid columns;
  QueryGrid consecutive;
};
AttentionGrids PlanAttention(std::span<const HeadRows> heads, std::span<const RowRun> runs);

// Whether tensor cores take this shape: 16-bit operands, widths up to 256. Others are computed by
// plain multiply-adds, one warp per query and head, and need no grids.
bool HasTensorAttention(Operand operand, int d_key, int d_value);

// Launches a layer's attention on `stream`: one kernel for each order that a head has. Queries with
// no keys give zeros. `dependent` as in launch.h.
absl::Status LaunchPrefillAttention(const PrefillAttention& attention, Operand operand,
                                    const AttentionGrids& grids, bool dependent,
                                    cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_H_
