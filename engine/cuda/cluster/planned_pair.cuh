// What the attention warps need to know of their next units of work, found out a warp at a time.
//
// A unit is a (sequence, head) pair in one layer of one step. To ask its pattern where the keys are
// takes thousands of cycles of dependent loads and branches, and no longer for 32 units, one a
// lane: so one warp plans that many ahead, in shared memory, and all read what they need from
// there.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_PLANNED_PAIR_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_PLANNED_PAIR_CUH_

#include <cstdint>

#include "engine/cuda/cluster/attended_pair.cuh"
#include "engine/cuda/cluster/shared_memory.h"
#include "engine/cuda/cluster/step_arguments.h"

namespace strided::cuda::cluster {

// A pair in one layer of one step, as AttendedPair.
struct alignas(16) PlannedPair {
  std::byte* keys_at = nullptr;
  std::byte* values_at = nullptr;
  int keys = 0;  // that the query reads
  int own = -1;  // which of them is its own: not in the cache yet
  KeyStretches rows;
  OwnHomes homes;
  int query = 0;   // position
  int length = 0;  // N
  int output = 0;  // where its output goes, from the operand's start
  const HeadRows* layout = nullptr;

  // Of int8 caches: [row] of the key's scale and the value's. S: Sizes.
  template <class S>
  __device__ __forceinline__ std::byte* ScalesAt() const {
    static_assert(S::kValue % S::kKey == 0);
    return values_at + (values_at - keys_at) * (S::kValue / S::kKey);
  }
  __device__ __forceinline__ int Tiles() const { return (keys + kKeyTile - 1) / kKeyTile; }
  __device__ __forceinline__ int RowOf(int k) const {
    return rows.straight ? rows.RowOf(k) : layout->KeyRow(query, k, length);
  }
};

// What lies together in a pair's cache, of some of its keys.
struct CachePart {
  // Two stretches of keys, two of values, two of scales.
  template <class S>
  static constexpr int kCount = S::kInt8Caches ? 6 : 4;

  const std::byte* from = nullptr;
  int first = 0;  // key
  int bytes = 0;  // 0: there is none

  // Number `part` of the pair's keys `begin` to `end` - 1, whose rows are straight.
  template <class S>
  static __device__ __forceinline__ CachePart Of(const PlannedPair& pair, int begin, int end,
                                                 int part) {
    const int split = min(max(pair.rows.split, begin), end);
    const bool is_second = part % 2 != 0;
    const int first = is_second ? split : begin;
    const int count = is_second ? end - split : split - begin;
    const int row = pair.rows.RowOf(first);
    if (S::kInt8Caches && part >= 4) {
      // From an even row to an odd one; behind the last one's are bytes that nobody has.
      const int pairs = count > 0 ? (row % 2 + count + 1) / 2 : 0;
      return {pair.ScalesAt<S>() + static_cast<int64_t>(row / 2) * (2 * kRowScaleBytes), first,
              pairs * 2 * kRowScaleBytes};
    }
    const bool are_keys = part < 2;
    const int row_bytes = (are_keys ? S::kKey : S::kValue) * S::kCacheElementBytes;
    return {(are_keys ? pair.keys_at : pair.values_at) + static_cast<int64_t>(row) * row_bytes,
            first, count * row_bytes};
  }
};

// Of the block's pair `pair` of a group.
template <class S>
__device__ __forceinline__ PlannedPair PlannedPairOf(const Group<S>& group, int pair,
                                                     const PairState& state, int step, int layer) {
  const AttendedPair<S> attended(state, step, layer);
  const HeadRows& layout = attended.layout;
  PlannedPair plan;
  plan.keys_at = attended.keys_at;
  plan.values_at = attended.values_at;
  plan.keys = attended.keys;
  plan.own = attended.own;
  plan.rows = layout.StretchesOf(attended.query, attended.length);
  plan.homes = {layout.Home(attended.query, attended.length),
                layout.SecondHome(attended.query, attended.length)};
  plan.query = attended.query;
  plan.length = attended.length;
  plan.output = group.OutputOf(static_cast<int>(RankInCluster()), pair);
  plan.layout = state.layouts + layer * S::kHeads;
  return plan;
}

inline constexpr int kPlanBatch = 32;  // units that are planned together: a warp's lanes
static_assert(2 * kPlanBatch == kPlannedPairs && sizeof(PlannedPair) <= kPlannedPairBytes);

// Plans a block's units from `first` on, in the order of PairWalk, unit u to plans[u %
// kPlannedPairs]; those past the last have no keys. By one warp, when nobody will read what is
// there. `pairs`: bit by pair, those
// that there are; `states`: by pair.
template <class S>
__device__ __noinline__ void PlanPairs(const StepArguments& a, uint32_t pairs,
                                       const PairState* states, int first, PlannedPair* plans) {
  const int unit = first + static_cast<int>(threadIdx.x) % 32;
  const int count = __popc(pairs);
  const int step = unit / count / a.n_layer;
  PlannedPair plan;
  if (step < a.steps) {
    for (int i = unit % count; i > 0; --i) pairs &= pairs - 1;
    const int index = PairWalk::FirstOf(pairs);
    const Group<S> group(a, 0, index / S::kPairs);
    plan =
        PlannedPairOf<S>(group, index % S::kPairs, states[index], step, unit / count % a.n_layer);
  }
  plans[unit % kPlannedPairs] = plan;
}

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_PLANNED_PAIR_CUH_
