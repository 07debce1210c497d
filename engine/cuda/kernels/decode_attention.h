// Attention of a decode step: one query per row and head over the rows of its cache that its
// pattern reads (Child et al. 2019, section 4; engine/cache/cache_layout.h).
//
//   queries  [rows][n_head][d_key]          float32
//   caches   keys [rows of the head][d_key], values [rows of the head][d_value], operand's type, or
//            int8 and scales (narrow_cache.cuh)
//   out      [rows][n_head][d_value]        operand's type
//
// The keys of a query, in the layout's order, are cut into chunks of kAttentionChunk. Each gives
// its share: the largest score, the sums of exp(score - largest) and of the values weighted by it.
// A query's shares are combined in their order, those of more than 32 chunks first within each 32.
// Its chunks may be divided among several blocks, of which the last to end combines. Every order of
// summation follows from the query alone, so results do not depend on the batch, on N, on the
// number of blocks or on who ends last.
//
// Bound by reading keys and values once: rows * heads * keys * (d_key + d_value) elements. What
// earlier steps have written is read before the wait for the grid before this one.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_ATTENTION_H_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_ATTENTION_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda {

inline constexpr int kAttentionChunk = 128;  // keys

// One layer's attention. Pointers are into device memory.
struct DecodeAttention {
  Operand operand = Operand::kBfloat16;
  const float* queries = nullptr;
  // [rows][n_head][d_key + d_value] operand, where caches are int8: the rows' own keys and values,
  // which this kernel puts there. Requires an operand of 16 bits, widths that are multiples of 8 up
  // to 256. Null: caches hold the operand's type, and the own keys are there.
  const std::byte* fresh = nullptr;
  std::byte* out = nullptr;
  const DecodeRow* row_states = nullptr;      // [rows]
  const DeviceSequence* sequences = nullptr;  // by slot
  const HeadRows* heads = nullptr;            // [n_head], this layer's
  int first_head = 0;                         // layer * n_head: index into head_offsets
  int n_head = 0;
  int d_key = 0;
  int d_value = 0;
  float scale = 1;  // of the products of queries and keys
  // Another layer's heads, as `heads` and `first_head`, whose keys and values are fetched into the
  // second-level cache meanwhile; null: none.
  const HeadRows* next_heads = nullptr;
  int next_first_head = 0;
  int rows = 0;
  int chunks = 1;  // at least the chunks of every row's query
  // That share a query's chunks, of a stream teams on the average; 0: the launch chooses. For
  // tests.
  int blocks = 0;
  // For queries of several blocks: [rows][n_head][chunks][d_value + 2] float32, and counters
  // [rows][n_head] that are 0 before and after.
  float* partials = nullptr;
  int32_t* arrivals = nullptr;
};

// How many blocks share the chunks of a query over int8 caches, a chunk by one of their warps.
// Pure.
struct ByteAttentionShape {
  int warps = 1;  // of a block: one for each chunk, up to `most_warps` and the kernel's own most
  int blocks = 1;
};
ByteAttentionShape ChooseByteAttention(int queries, int chunks, int most_warps,
                                       int multiprocessors);

// Whether chunks of several to a query are a stream through every multiprocessor's shared memory;
// else each is a block's, which has it in registers early. Pure.
bool IsStream(int queries, int chunks, int multiprocessors);

// Queries of one chunk whose keys are copied to shared memory: the heads of a row that a block
// takes, 1 or 2; 0: too few queries, a block to each that holds its keys in registers is as fast.
// Pure.
int ChooseCopiedHeads(int rows, int n_head, int multiprocessors);

// Shared memory that a block of copied keys asks for, of which it uses `used` bytes: where a
// multiprocessor's share of `blocks` is three, of two heads each, so much that none holds more of
// them (block_spread.h). Elsewhere it was measured to cost the kernels before and behind as much
// room as it gives. `most_bytes`: of one block of the device. Pure.
int CopiedSharedBytes(int used, int heads, int blocks, int multiprocessors, int most_bytes);

// One kernel, dependent on the one before it in `stream`.
absl::Status LaunchDecodeAttention(const DecodeAttention& attention, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_ATTENTION_H_
