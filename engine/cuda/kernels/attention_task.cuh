// What a block of prefill attention works on, and in which sizes.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_TASK_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_TASK_CUH_

#include "engine/cuda/kernels/attention_source.cuh"
#include "engine/cuda/kernels/fragments.cuh"

namespace strided::cuda {

inline constexpr int kWarpQueries = 16;
inline constexpr int kMaxTileQueries = 128;

// By which instructions, as WideWay: of a warp, or of a warpgroup.
enum class AttentionWay { kWarps, kWarpgroups };

// kKeySteps: steps of 16 elements of a key; 0: as many as d_key says, the queries then stay in
// shared memory. kValueTiles: tiles of 8 elements of a value, beyond d_value zeros. kKeys: of a
// tile. A stage of shared memory holds a tile of keys, then their values.
template <Operand kOperandType, int kKeyStepsOr0, int kValueTilesOf, int kKeysOf,
          AttentionWay kWayOf = AttentionWay::kWarps>
struct AttentionSizes {
  static constexpr Operand kOperand = kOperandType;
  static constexpr int kKeySteps = kKeyStepsOr0;
  static constexpr int kValueTiles = kValueTilesOf;
  static constexpr int kKeys = kKeysOf;
  static constexpr AttentionWay kWay = kWayOf;
  static constexpr bool kByWarpgroups = kWay == AttentionWay::kWarpgroups;
  static_assert(kValueTiles % 2 == 0 && kKeys % 16 == 0, "one ldmatrix serves two tiles");
  static_assert(!kByWarpgroups || (kKeySteps > 0 && kKeySteps <= 4), "a key in 128 bytes");
  static_assert(!kByWarpgroups || kKeys % 8 == 0, "whole rounds of exchanged parts");
  using Traits = OperandTraits<kOperand>;
  using Type = typename Traits::Type;

  // kWarps: bytes from one row to the next, an odd number of 16-byte parts.
  static constexpr int kPadding = 16;
  static constexpr int kValuePitch = kValueTiles * 16 + kPadding;
  // kWarpgroups: rows of 128 bytes, their parts exchanged; of values as many blocks of rows as it
  // takes. Stages start at multiples of kAlignment.
  static constexpr int kRowBytes = 128;
  // Short keys leave room for their values in the same rows.
  static constexpr bool kJoined = kByWarpgroups && kKeySteps * 2 + kValueTiles <= 8;
  static constexpr int kValueBlocks = kJoined ? 0 : (kValueTiles + 7) / 8;
  static constexpr int kAlignment = kByWarpgroups ? 1024 : 16;

  static __host__ __device__ __forceinline__ int KeySteps(int d_key) {
    return kKeySteps > 0 ? kKeySteps : (d_key + 15) / 16;
  }
  // Also of queries.
  static __host__ __device__ __forceinline__ int KeyPitch(int d_key) {
    return KeySteps(d_key) * 32 + kPadding;
  }
  static __host__ __device__ __forceinline__ int StageBytes(int d_key) {
    if constexpr (kByWarpgroups) return kKeys * kRowBytes * (1 + kValueBlocks);
    return kKeys * (KeyPitch(d_key) + kValuePitch);
  }

  // Where 16-byte part `part` of a key or value lies in a stage.
  static __device__ __forceinline__ int KeyOffset(int key, int part, int d_key) {
    if constexpr (kByWarpgroups) return key * kRowBytes + (part ^ key % 8) * 16;
    return key * KeyPitch(d_key) + part * 16;
  }
  static __device__ __forceinline__ int ValueOffset(int key, int part, int d_key) {
    if constexpr (kJoined) return KeyOffset(key, kKeySteps * 2 + part, d_key);
    if constexpr (kByWarpgroups) {
      const int block = 1 + part / 8;
      return (block * kKeys + key) * kRowBytes + (part % 8 ^ key % 8) * 16;
    }
    return kKeys * KeyPitch(d_key) + key * kValuePitch + part * 16;
  }
};

// Keys begin <= k < end: what one query reads of a span.
struct KeyLimits {
  int begin = 0;
  int end = 0;
  // Whether none, or each, of `count` keys from `first` is one.
  __device__ bool Misses(int first, int count) const {
    return begin >= first + count || end <= first || end <= begin;
  }
  __device__ bool Covers(int first, int count) const {
    return begin <= first && end >= first + count;
  }
  __device__ bool Holds(int key) const { return begin <= key && key < end; }
};

// A copy, not a reference: what is in registers has no address.
__device__ __forceinline__ KeyLimits Select(bool second, KeyLimits a, KeyLimits b) {
  return {second ? b.begin : a.begin, second ? b.end : a.end};
}

// A head's tile of queries, and the tiles of keys that they read: first those of span 0.
struct AttentionTask {
  int head;
  RowRun run;
  QueryTile tile;
  QueryOrder order;
  KeyAxis axes[kMaxSpans];
  KeyLimits limits[kMaxSpans];  // that hold every query's
  int first_tile[kMaxSpans];
  int tiles[kMaxSpans];

  __device__ int RowOf(int query) const { return run.first_row + tile.first + query * tile.stride; }
  __device__ int PositionOf(int query) const {
    return run.first_position + tile.first + query * tile.stride;
  }
  // What query number `query` reads of a span; nothing beyond the tile's queries.
  __device__ KeyLimits LimitsOf(const HeadRows& rows, int span, int query) const {
    if (query >= tile.count) return {};
    const KeySpan keys = SpanOf(rows, order, span, PositionOf(query));
    return {keys.begin, keys.end};
  }
  // The first key of a tile, counted over both spans.
  template <int kKeys>
  __device__ int FirstKeyOf(int index) const {
    const int in_first = tiles[0];
    return (index < in_first ? first_tile[0] + index : first_tile[1] + index - in_first) * kKeys;
  }
};

// The task of this block: its tile has no queries where there is nothing to do.
template <int kKeys>
__device__ __forceinline__ AttentionTask TaskOfBlock(const PrefillAttention& a,
                                                     const HeadRows& rows, QueryOrder order) {
  AttentionTask task;
  task.head = blockIdx.y;
  task.order = order;
  task.tile = TileAt(rows, order, a.rows.runs, a.rows.run_count, blockIdx.x, blockDim.x / 2);
  if (task.tile.count == 0) return task;
  task.run = a.rows.runs[task.tile.run];
#pragma unroll
  for (int s = 0; s < kMaxSpans; ++s) {
    const KeySpan first = SpanOf(rows, order, s, task.PositionOf(0));
    const KeySpan last = SpanOf(rows, order, s, task.PositionOf(task.tile.count - 1));
    task.axes[s] = first.axis;
    task.limits[s] = {first.begin, last.end};
    task.first_tile[s] = first.begin / kKeys;
    const int end_tile = (last.end + kKeys - 1) / kKeys;
    task.tiles[s] = last.end > first.begin ? end_tile - task.first_tile[s] : 0;
  }
  return task;
}

// In shared memory: what all threads of a block know, at no cost in registers.
template <typename Type>
struct AttentionBlock {
  AttentionTask task;
  KeySource<Type> source;
  CallKeys<Type> in_call[kMaxSpans];
  // 16-byte parts from a thread's key to its next one of a tile, and to its first one of the next
  // tile, where in_call keeps to the same distances; else 0.
  uint32_t key_ahead[kMaxSpans];
  uint32_t tile_ahead[kMaxSpans];
};
inline constexpr int kAttentionBlockBytes = 320;
static_assert(sizeof(AttentionBlock<float>) <= kAttentionBlockBytes &&
              kAttentionBlockBytes % 16 == 0);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_TASK_CUH_
