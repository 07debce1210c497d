// A (sequence, head) pair of a block: in general, and in one layer of one step.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_ATTENDED_PAIR_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_ATTENDED_PAIR_CUH_

#include <cstdint>

#include "engine/cuda/cluster/cluster_sizes.h"
#include "engine/cuda/cluster/group.cuh"
#include "engine/cuda/cluster/step_arguments.h"

namespace strided::cuda::cluster {

// What stays the same through a launch; in shared memory.
struct PairState {
  std::byte* cache = nullptr;             // the sequence's
  const int64_t* head_offsets = nullptr;  // the sequence's, from the pair's head in layer 0 on
  const HeadRows* layouts = nullptr;      // the same
  int first_query = 0;                    // position of the launch's first step
  int length = 0;                         // N
};

// Of the block's pair `pair` of a group that has its column.
template <class S>
__device__ __forceinline__ PairState PairStateOf(const StepArguments& a, const Group<S>& group,
                                                 int rank, int pair) {
  const DecodeRow& row = a.rows[group.first_row + group.ColumnOf(rank, pair)];
  const DeviceSequence& sequence = a.sequences[row.slot];
  const int head = group.HeadOf(rank, pair);
  return {sequence.cache, sequence.head_offsets + head, a.heads + head, row.position,
          sequence.max_length};
}

// The same in every lane.
template <class S>
struct AttendedPair {
  HeadRows layout;
  int query = 0;   // position
  int length = 0;  // N
  int keys = 0;    // that it reads
  int own = -1;    // which of them is its own: not in the cache yet
  std::byte* keys_at = nullptr;
  std::byte* values_at = nullptr;

  __device__ __forceinline__ AttendedPair(const PairState& state, int step, int layer) {
    const int index = layer * S::kHeads;
    layout = state.layouts[index];
    query = state.first_query + step;
    length = state.length;
    keys = layout.KeyCount(query);
    own = layout.OwnKey(query);
    keys_at = state.cache + state.head_offsets[index];
    values_at =
        keys_at + static_cast<int64_t>(layout.Rows(length)) * (S::kKey * S::kCacheElementBytes);
  }

  __device__ __forceinline__ int RowOf(int k) const { return layout.KeyRow(query, k, length); }
  __device__ __forceinline__ int Tiles() const { return (keys + kKeyTile - 1) / kKeyTile; }
};

// Rows of the cache that a query's own key and value go to; negative: none.
struct OwnHomes {
  int first = -1;
  int second = -1;
};

// Walks through what the attention warps of a block attend to, in order: step, layer, then the
// pairs that there are, numbered through all groups.
struct PairWalk {
  uint32_t present = 0;  // bit by pair
  int step = 0;
  int layer = 0;
  int pair = 0;

  __device__ explicit PairWalk(uint32_t pairs) : present(pairs), pair(FirstOf(pairs)) {}

  static __device__ __forceinline__ int FirstOf(uint32_t bits) {
    return __ffs(static_cast<int>(bits)) - 1;
  }
  // To the next; past the last, step is the number of steps.
  __device__ __forceinline__ void Advance(int n_layer) {
    const uint32_t after = present & ~((2U << pair) - 1);
    pair = FirstOf(after != 0 ? after : present);
    if (after != 0 || ++layer < n_layer) return;
    layer = 0;
    ++step;
  }
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_ATTENDED_PAIR_CUH_
