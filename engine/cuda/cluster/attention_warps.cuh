// A block's attention warps: for each of its (sequence, head) pairs in turn, in every layer, the
// query's weighted mean of values (section 4), as a share of each warp.
//
// Tile j of a query's keys, in the layout's order, belongs to warp j mod 7. A pair's first keys and
// values are in registers before its query comes, by loads or by way of copies in shared memory
// (keys_ahead.cuh): the caches' rows are those of earlier steps; the query's own come with it. What
// does not depend on the query is kept off the way from its arrival to the sending of the output.
//
// Free warps (Sizes) leave the shares to the group's product warps, and wait for no other: of two
// of them one is ahead by less than a layer, since its query depends on the other's share of the
// layer before. Else the warps meet in every unit, and some of them add the shares and send the
// output.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_ATTENTION_WARPS_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_ATTENTION_WARPS_CUH_

#include <cstdint>
#include <type_traits>

#include "engine/cuda/cluster/attended_pair.cuh"
#include "engine/cuda/cluster/attention_shares.cuh"
#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/cluster/byte_tile.cuh"
#include "engine/cuda/cluster/group.cuh"
#include "engine/cuda/cluster/key_tile.cuh"
#include "engine/cuda/cluster/keys_ahead.cuh"
#include "engine/cuda/cluster/own_bytes.cuh"
#include "engine/cuda/cluster/planned_pair.cuh"
#include "engine/cuda/cluster/soft_maximum.cuh"
#include "engine/cuda/cluster/to_all_blocks.cuh"

namespace strided::cuda::cluster {

template <class S, int kGroups>
class AttentionWarp {
 public:
  using Memory = GroupMemory<S>;
  using Block = BlockMemory<S, kGroups>;

  // `memory`: the block's shared memory, at address `shared`; `thread`: of the attention warps'.
  __device__ AttentionWarp(const StepArguments& a, std::byte* memory, uint32_t shared, int thread,
                           BoundedWait wait)
      : a_(a),
        states_(reinterpret_cast<PairState*>(memory + Block::kPairStates)),
        plans_(reinterpret_cast<PlannedPair*>(memory + Block::kPlans)),
        shared_(shared),
        warp_(thread / 32),
        lane_(thread % 32),
        rank_(static_cast<int>(RankInCluster())),
        ahead_(shared + Block::kAhead, shared + Block::kAheadFull, shared + Block::kAheadEmpty,
               warp_),
        wait_(wait),
        to_all_(shared, warp_ % ToAll::kSendingWarps) {}

  __device__ void Run() {
    const uint32_t pairs = FindPairs();
    if (pairs == 0) return;
    if (warp_ == kKeepingWarp) PlanPairs<S>(a_, pairs, states_, 0, plans_);
    Sync();
    const int layer_units = __popc(pairs);
    const int units = a_.n_layer * layer_units;  // of a step
    copies_ = kCopies && units >= layer_units + kFencedUnits + kUnitsAhead;
    uint32_t rest = pairs;
    Tile tile;
    PlannedPair pair = plans_[0];
    FillAhead(0);
    Fetch(pair, tile);
    FillAhead(1);
    for (int unit = 0; unit < units * a_.steps; ++unit) {
      const int index = PairWalk::FirstOf(rest);
      rest &= rest - 1;
      if (rest == 0) rest = pairs;
      Attend(unit, index, pair, tile);
      const int output = pair.output;
      if constexpr (kLoadsEarly) {
        if (units == 1) Sync();
        pair = plans_[(unit + 1) % kPlannedPairs];
        Fetch(pair, tile);
      }
      if constexpr (kFree) {
        // Plans are read by all; of a single layer, rows that have just been written are fetched.
        if (unit % (kPlanBatch / 2) == 0 || a_.n_layer == 1) Sync();
      } else {
        Sync();
        Mix(unit, index, output);
      }
      if (warp_ == kKeepingWarp && unit % kPlanBatch == 0) {
        PlanPairs<S>(a_, pairs, states_, unit + kPlanBatch, plans_);
      }
      if constexpr (!kLoadsEarly) {
        pair = plans_[(unit + 1) % kPlannedPairs];
        Fetch(pair, tile);
      }
      if constexpr (kCopies) {
        if (unit % kFencedUnits == 0 && warp_ == kKeepingWarp) FenceAsyncGlobal();
      }
      if constexpr (kPrefetches) Prefetch(plans_[(unit + kPrefetchedUnits) % kPlannedPairs]);
      FillAhead(unit + kUnitsAhead);
    }
  }

 private:
  using ToAll = ToAllBlocks<kGroups>;
  static constexpr int kKeepingWarp = kAttentionWarps - 1;  // has the fewest tiles
  static constexpr bool kFree = S::kFreeAttention;
  static constexpr bool kCopies = Block::kAheadTiles > 0;
  // With more groups somebody waits for the warp while it does so.
  static constexpr bool kInterleaves = kCopies && kGroups == 1;
  using Tile = std::conditional_t<S::kInt8Caches, ByteTile<S>, KeyTile<S, kInterleaves>>;
  // Where keys come by loads and another query may be there already, they are more urgent than the
  // output before.
  static constexpr bool kLoadsEarly = !kCopies && kGroups > 1 && !kFree;
  // The query's own value when the scores are under way, if there are registers for that.
  static constexpr bool kPutsLate = Block::kHasManyRegisters;
  // With more groups the more loads of it are worse than conflicts, unless the warps are free.
  static constexpr bool kReadsQuarters = kFree || kGroups <= 3;
  // Other shapes lost by it: what they ask for is more than the second-level cache has room for, or
  // comes in time without.
  static constexpr bool kPrefetches = S::kPrefetches && kGroups > 1;
  static constexpr int kPrefetchedUnits = 4;  // ahead
  static_assert(kPrefetchedUnits <= kPlanBatch, "has been planned");
  // Rows are written to the caches a step before they are copied, and fenced in between, by the
  // keeping warp, which may be a layer behind: the copies of unit u begin during unit u - 2.
  static constexpr int kFencedUnits = 4;
  static constexpr int kUnitsAhead = 2;
  static constexpr int kBarrier = 15;  // of the attention warps
  static_assert(sizeof(PairState) == Block::kPairStateBytes);

  // Notes the states of the block's pairs; returns which there are.
  __device__ uint32_t FindPairs() {
    uint32_t pairs = 0;
    for (int index = 0; index < kGroups * S::kPairs; ++index) {
      const Group<S> group(a_, shared_ + Block::kGroupAreas, index / S::kPairs);
      if (group.ColumnOf(rank_, index % S::kPairs) >= group.rows) continue;
      pairs |= 1U << index;
      if (warp_ == 0 && lane_ == 0) {
        states_[index] = PairStateOf(a_, group, rank_, index % S::kPairs);
      }
    }
    Sync();
    return pairs;
  }

  __device__ __forceinline__ void Sync() const { SyncThreads(kBarrier, 32 * kAttentionWarps); }
  // The warp's first keys.
  __device__ __forceinline__ void Fetch(const PlannedPair& pair, Tile& tile) {
    const bool is_copied = IsCopied(pair);
    if (is_copied) ahead_.Wait(wait_);
    if (warp_ < pair.Tiles()) {
      if (is_copied && warp_ < Block::kAheadTiles) {
        tile.template Load<kReadsQuarters>(ahead_, pair, warp_, CountOf(pair, warp_), lane_);
      } else {
        tile.Fetch(pair, warp_, lane_);
      }
    }
    if (is_copied) ahead_.Release();
  }
  // Whether a unit's first tiles, or where the warps are free the warp's own, are copied ahead:
  // rows that are not straight are too many copies.
  __device__ __forceinline__ bool IsCopied(const PlannedPair& pair) const {
    if (!kCopies || !copies_ || pair.keys == 0 || !pair.rows.straight) return false;
    return !kFree || (warp_ < Block::kAheadTiles && warp_ < pair.Tiles());
  }
  // Once the unit before has been fetched.
  __device__ __forceinline__ void FillAhead(int unit) {
    if (!kCopies || (!kFree && warp_ != kKeepingWarp)) return;
    const PlannedPair pair = plans_[unit % kPlannedPairs];
    if (IsCopied(pair)) ahead_.Fill(pair, wait_);
  }

  // By the keeping warp: a later unit's keys and values to the second-level cache, where they are
  // more than will be copied.
  __device__ __forceinline__ void Prefetch(const PlannedPair& pair) const {
    if (warp_ != kKeepingWarp || lane_ >= CachePart::kCount<S>) return;
    if (pair.keys <= Block::kAheadTiles * kKeyTile || !pair.rows.straight) return;
    const CachePart part = CachePart::Of<S>(pair, 0, pair.keys, lane_);
    if (part.bytes > 0) PrefetchBulk(part.from, part.bytes);
  }

  __device__ __forceinline__ uint32_t AreaOf(int index) const {
    return shared_ + Block::kGroupAreas + index / S::kPairs * Memory::kBytes;
  }
  static __device__ __forceinline__ uint32_t BarrierOf(uint32_t area, int of_group) {
    return area + Memory::kBarriers + (static_cast<int>(Signal::kPair) + of_group) * kBarrierBytes;
  }

  // Where the warps are not free, those of a unit are read before the next but one's are left.
  __device__ __forceinline__ AttentionShares<S> SharesOf(int unit, uint32_t area,
                                                         int of_group) const {
    if constexpr (kFree) return AttentionShares<S>(area + Memory::kShares, of_group);
    return AttentionShares<S>(shared_ + Block::kShares, unit % 2);
  }

  // Waits for the query; leaves the warp's share of its attention, and says so. The query's own key
  // and value go to the cache.
  __device__ __forceinline__ void Attend(int unit, int index, const PlannedPair& pair, Tile& tile) {
    const int of_group = index % S::kPairs;
    const uint32_t area = AreaOf(index);
    const uint32_t query = BarrierOf(area, of_group);
    const uint32_t arrived = area + Memory::kQueries + of_group * Memory::kPairBytes;
    const AttentionShares<S> shares = SharesOf(unit, area, of_group);
    wait_.For(query, parities_ >> index & 1);
    parities_ ^= 1U << index;
    if (warp_ < pair.Tiles()) {
      Sum(pair, tile, arrived, shares);
    } else {
      shares.LeaveNothing(warp_, lane_);
    }
    if (warp_ == kKeepingWarp) Keep(pair, arrived, shares);
    if constexpr (kFree) {
      __syncwarp();
      if (lane_ == 0) Arrive(query + S::kPairs * kBarrierBytes);
    }
  }
  // Where the warps are not free, after a barrier of theirs: sends the output, and the pair's next
  // query may come.
  __device__ __forceinline__ void Mix(int unit, int index, int output) const {
    const uint32_t area = AreaOf(index);
    const int of_group = index % S::kPairs;
    if (Sends(unit)) {
      const int lane = lane_ % (S::kValue / 4);
      const uint2 elements = SharesOf(unit, area, of_group).FourOutputs(lane * 4);
      to_all_.Send(SliceRoom::Of<S>(a_, area, index / S::kPairs), Memory::kMixed + output,
                   S::kValue * 2, lane_ * 8, lane_ * 4 < S::kValue, elements,
                   area + Memory::kBarriers + static_cast<int>(Signal::kMixed) * kBarrierBytes);
    }
    if (warp_ == kKeepingWarp && lane_ == 0) {
      Expect(BarrierOf(area, of_group), Memory::kPairBytes);
    }
  }
  // Whether this warp sends the output of a unit: one that takes turns, where one alone does.
  __device__ __forceinline__ bool Sends(int unit) const {
    return ToAll::kMulticast ? unit % kKeepingWarp == warp_ : warp_ < ToAll::kSendingWarps;
  }

  // The warp's tiles; the first has been fetched.
  __device__ __forceinline__ void Sum(const PlannedPair& pair, Tile& tile, uint32_t arrived,
                                      const AttentionShares<S>& shares) {
    const typename Tile::Query query(arrived, lane_);
    SoftMaximum<Tile> sums;
    sums.Start(tile, ScoresOf(pair, warp_, query, arrived, tile), CountOf(pair, warp_), lane_);
#pragma unroll 1
    for (int index = warp_ + kAttentionWarps; index < pair.Tiles(); index += kAttentionWarps) {
      tile.Fetch(pair, index, lane_);
      sums.Add(tile, ScoresOf(pair, index, query, arrived, tile), CountOf(pair, index), lane_);
    }
    sums.Write(shares.Output(warp_), shares.State(warp_), lane_);
  }
  // In units of log2. Puts the query's own key into the tile, where it belongs there.
  __device__ __forceinline__ float2 ScoresOf(const PlannedPair& pair, int index,
                                             const typename Tile::Query& query, uint32_t arrived,
                                             Tile& tile) const {
    const int own = pair.own - index * kKeyTile;
    const bool puts_own = own >= 0 && own < kKeyTile;
    if constexpr (!S::kInt8Caches) {
      if (puts_own) tile.PutOwnKey(own, arrived + Memory::kKeyAt, lane_);
      if (puts_own && !kPutsLate) tile.PutOwnValue(own, arrived + Memory::kValueAt, lane_);
    }
    float2 scores = tile.Scores(query);
    if constexpr (!S::kInt8Caches) {
      if (puts_own && kPutsLate) tile.PutOwnValue(own, arrived + Memory::kValueAt, lane_);
    }
    scores = make_float2(scores.x * a_.score_scale, scores.y * a_.score_scale);
    if constexpr (S::kInt8Caches) {  // the keeping warp attends to it
      if (own == lane_ / 4) scores.x = -INFINITY;
      if (own == lane_ / 4 + 8) scores.y = -INFINITY;
    }
    return scores;
  }
  static __device__ __forceinline__ int CountOf(const PlannedPair& pair, int index) {
    return min(pair.keys - index * kKeyTile, kKeyTile);
  }

  // The new key and value to the cache; int8 ones are attended to here too.
  __device__ __forceinline__ void Keep(const PlannedPair& pair, uint32_t arrived,
                                       const AttentionShares<S>& shares) const {
    if constexpr (S::kInt8Caches) {
      const OwnBytes<S> own(arrived + Memory::kKeyAt, lane_);
      if (pair.own >= 0) {
        own.Attend(arrived, a_.score_scale, shares.Output(warp_), shares.State(warp_));
      }
      if (pair.homes.first >= 0) own.Keep(pair, pair.homes.first);
      if (pair.homes.second >= 0) own.Keep(pair, pair.homes.second);
    } else {
      KeepRow(pair, pair.homes.first, arrived);
      KeepRow(pair, pair.homes.second, arrived);
    }
  }
  // To a row.
  __device__ __forceinline__ void KeepRow(const PlannedPair& pair, int row,
                                          uint32_t arrived) const {
    constexpr int kKeyVectors = S::kKey / 8;
    constexpr int kValueVectors = S::kValue / 8;
    static_assert(kKeyVectors + kValueVectors <= 32, "a lane has one at most");
    if (row < 0 || lane_ >= kKeyVectors + kValueVectors) return;
    const bool is_key = lane_ < kKeyVectors;
    std::byte* const to =
        is_key ? pair.keys_at + static_cast<int64_t>(row) * (S::kKey * 2) + lane_ * 16
               : pair.values_at + static_cast<int64_t>(row) * (S::kValue * 2) +
                     (lane_ - kKeyVectors) * 16;
    // The value follows the key in shared memory.
    __stcg(reinterpret_cast<uint4*>(to), Load16(arrived + Memory::kKeyAt + lane_ * 16));
  }

  const StepArguments& a_;
  PairState* const states_;  // in shared memory, by pair
  PlannedPair* const plans_;
  const uint32_t shared_;
  const int warp_;
  const int lane_;
  const int rank_;
  KeysAhead<S, Block::kAheadTiles, kFree> ahead_;
  bool copies_ = false;  // whether a step has units enough for that
  BoundedWait wait_;
  const ToAll to_all_;
  uint32_t parities_ = 0;  // of the pairs' barriers, each of which ends one phase a layer
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_ATTENTION_WARPS_CUH_
