// Where everything lies in a block's shared memory.
//
//   ring      chunks of weights
//   ahead     keys and values of the attention warps' next unit of work
//   shares    what meeting attention warps leave of two units of work, in turn
//   teams     what the product warps tell each other
//   groups    an area each: operands, queries, free warps' shares, logits, tokens, barriers
//   plans     of the attention warps' next units of work
//   pairs     what the attention warps keep of each of the block's pairs
//   barriers  of the ring, and of what is ahead
//
// Host and device arithmetic; offsets in bytes from the start.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_SHARED_MEMORY_H_
#define STRIDED_ENGINE_CUDA_CLUSTER_SHARED_MEMORY_H_

#include <algorithm>
#include <type_traits>

#include "engine/cuda/cluster/cluster_sizes.h"

namespace strided::cuda::cluster {

inline constexpr int kSharedLimit = 227 * 1024;  // of a block, from sm_90 on
inline constexpr int kBarrierBytes = 8;
inline constexpr int kPassBarriers = 8;   // passes of weights that are under way at most
inline constexpr int kPlannedPairs = 64;  // units that the attention warps know ahead
inline constexpr int kPlannedPairBytes = 64;
inline constexpr int kRowScaleBytes = 8;      // of a key and its value in int8 caches
inline constexpr int kScratchBytes = 17'984;  // of a sampler

constexpr int RoundUp(int bytes, int to) { return (bytes + to - 1) / to * to; }

// What a team's warps tell each other, twice: units of work take turns, so that a warp may be one
// ahead of another that still reads. Offsets from a turn's start.
template <class S, int kWarps>
struct TeamMemory {
  // Column pitch of partial sums [warp][column][outputs]: 4 floats more, so that the lanes of a
  // fragment write to different banks.
  static constexpr int kPitch = S::kMostPassTiles * kTile + 4;
  static constexpr int kTurnBytes = RoundUp(kWarps * kColumns * kPitch * 4, 128);
  static constexpr int kBytes = 2 * kTurnBytes;
};

// Attention's shares of a pair (attention_shares.cuh): [attention warp][d_value] float32, then the
// warps' states.
template <class S>
inline constexpr int kShareBytes = RoundUp((S::kValue + 2) * 4 * kAttentionWarps, 128);

// A group's area. Offsets from its start.
template <class S>
struct GroupMemory {
  // Of a (sequence, head) pair: the query as the sum of two bfloat16 vectors, key, value.
  static constexpr int kKeyAt = 2 * S::kKey * 2;
  static constexpr int kValueAt = 3 * S::kKey * 2;
  static constexpr int kPairBytes = kValueAt + S::kValue * 2;

  static constexpr int kHidden = 0;  // the residual stream, as an operand
  static constexpr int kMixed = kHidden + S::kWidth / kTile * kOperandBytes;
  // Attention's outputs, by column: a pair's are a slice. 32 bytes more, so that the lanes of a
  // fragment read from different banks.
  static constexpr int kMixedPitch = S::kOutput.chunks * kChunkInputs * 2 + kColumnBytes;
  static constexpr int kExpanded = kMixed + kColumns * kMixedPitch;
  static constexpr int kOperandsEnd = kExpanded + S::kFfTiles * kChunkSteps * kOperandBytes;
  static constexpr int kQueries = kOperandsEnd;
  static constexpr int kShares = RoundUp(kQueries + S::kPairs * kPairBytes, 16);  // by pair
  static constexpr int kPairsEnd = kShares + (S::kFreeAttention ? S::kPairs * kShareBytes<S> : 0);
  // A sampler's scratch lies over what is idle from a step's head until this block has sent its
  // token.
  static constexpr int kScratch = kHidden;
  static constexpr int kLogits = RoundUp(kPairsEnd > kScratchBytes ? kPairsEnd : kScratchBytes, 16);
  // Sums of the residual stream's elements and of their squares, [part][column], twice: stages take
  // turns as a team's units do.
  static constexpr int kMoments = kLogits + kMaxVocab * 4;
  static constexpr int kMomentBytes = kParts * kColumns * 8;
  static constexpr int kTokens = kMoments + 2 * kMomentBytes;
  static constexpr int kDrawnRow = kTokens + kColumns * 4;
  static constexpr int kDrawnRowBytes = 32;
  static constexpr int kBarriers = kDrawnRow + kDrawnRowBytes;
  static constexpr int kBarrierCount = 5 + 2 * S::kPairs;
  static constexpr int kBytes = RoundUp(kBarriers + kBarrierCount * kBarrierBytes, 128);
};

// Where copies of a unit's first keys lie, row after row as in a cache, after them the values, then
// the scales of int8 ones, of two stretches of rows: from an even row to an odd one, since copies
// are of 16 bytes.
template <class S>
struct KeyCopyMemory {
  static constexpr int kKeyBytes = S::kKey * S::kCacheElementBytes;
  static constexpr int kValueBytes = S::kValue * S::kCacheElementBytes;
  static constexpr int kStretchScaleBytes = (kKeyTile + 2) * kRowScaleBytes;  // of a tile
  static constexpr int kTileBytes =
      kKeyTile * (kKeyBytes + kValueBytes) + (S::kInt8Caches ? 2 * kStretchScaleBytes : 0);
};

// Of KernelSizes<S, kGroups>. kGroups: that there is room for.
template <class S, int kGroups>
struct BlockMemory {
  static constexpr int kTeamWarps = S::TeamWarps(kGroups, S::kFreeAttention);
  static constexpr int kTeamBytes = TeamMemory<S, kTeamWarps>::kBytes;
  static constexpr int kPairStateBytes = 32;
  static constexpr int kShareTurns = S::kFreeAttention ? 0 : 2;
  static constexpr int kFixedBytes =
      kShareTurns * kShareBytes<S> +
      kGroups * (kTeamBytes + GroupMemory<S>::kBytes + S::kPairs * kPairStateBytes) +
      kPlannedPairs * kPlannedPairBytes + (2 * kPassBarriers + kAttentionWarps + 1) * kBarrierBytes;
  static constexpr int kMostPadding = 128;  // of the areas' beginnings
  static constexpr int kRoom = kSharedLimit - kFixedBytes - kMostPadding;
  // Whether each of a layer's stages has a place of its own for its weights.
  static constexpr bool kOwnPlaces = S::kWholeStages;
  // The teams' warps come first, then those of attention, then one that fetches weights; where a
  // layer's have their places and there are many groups, the teams' do it. Up to
  // kManyRegistersWarps of a block have 168 registers a lane each; of more the teams' give some to
  // those of attention, by whole warpgroups.
  static constexpr bool kFetchingWarp = !kOwnPlaces || !S::kFreeAttention || kGroups <= 2;
  static constexpr int kManyRegistersWarps = 12;
  static constexpr int kOtherWarps = kAttentionWarps + (kFetchingWarp ? 1 : 0);
  static constexpr int kLeastWarps = kGroups * kTeamWarps + kOtherWarps;
  static constexpr bool kHasManyRegisters = kLeastWarps <= kManyRegistersWarps;
  static constexpr int kFirstAttentionWarp =
      RoundUp(kGroups * kTeamWarps, kHasManyRegisters ? 1 : 4);
  static constexpr int kWarps = RoundUp(kFirstAttentionWarp + kOtherWarps, 4);
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kLeastSlots = kOwnPlaces ? S::kLayerChunks : 2 * S::kMostPassChunks;
  // Tiles of a unit that are copied ahead, beside the fewest weights that work: one for each warp.
  static constexpr int kAheadTiles =
      kGroups <= S::kCopyGroups
          ? std::clamp((kRoom - kLeastSlots * kChunkBytes) / KeyCopyMemory<S>::kTileBytes, 0,
                       kAttentionWarps)
          : 0;
  // A layer's, where its stages are whole; else what there is room for, up to one and a half
  // layers: copies further ahead took longer.
  static constexpr int kMostSlots =
      (kRoom - kAheadTiles * KeyCopyMemory<S>::kTileBytes) / kChunkBytes;
  static constexpr int kSlots =
      std::min(kMostSlots, kOwnPlaces ? S::kLayerChunks : S::kLayerChunks * 3 / 2);
  // Whether there is room for a layer, or for two and a half passes of weights: one that is read,
  // one that comes, and some of the next.
  static constexpr bool kFits =
      kOwnPlaces ? kSlots == S::kLayerChunks : 2 * kSlots >= 5 * S::kMostPassChunks;

  static constexpr int kRing = 0;
  static constexpr int kAhead = RoundUp(kSlots * kChunkBytes, 128);
  static constexpr int kShares = RoundUp(kAhead + kAheadTiles * KeyCopyMemory<S>::kTileBytes, 128);
  static constexpr int kTeams = kShares + kShareTurns * kShareBytes<S>;
  static constexpr int kGroupAreas = kTeams + kGroups * kTeamBytes;
  static constexpr int kPlans = kGroupAreas + kGroups * GroupMemory<S>::kBytes;
  static constexpr int kPairStates = kPlans + kPlannedPairs * kPlannedPairBytes;
  static constexpr int kFull = kPairStates + kGroups * S::kPairs * kPairStateBytes;
  static constexpr int kEmpty = kFull + kPassBarriers * kBarrierBytes;
  static constexpr int kAheadFull = kEmpty + kPassBarriers * kBarrierBytes;
  static constexpr int kAheadEmpty = kAheadFull + kAttentionWarps * kBarrierBytes;
  static constexpr int kBytes = kAheadEmpty + kBarrierBytes;
  static_assert(kBytes <= kSharedLimit || !kFits);
};

// Calls visit(std::integral_constant<int, groups>()) for each number of groups that there is a
// kernel for, ascending, until one returns true.
template <class S, typename Visit>
constexpr bool VisitGroups(Visit&& visit) {
  const auto if_it_fits = [&](auto groups) {
    if constexpr (BlockMemory<KernelSizes<S, groups>, groups>::kFits) return visit(groups);
    return false;
  };
  return if_it_fits(std::integral_constant<int, 1>()) ||
         if_it_fits(std::integral_constant<int, 2>()) ||
         if_it_fits(std::integral_constant<int, 3>()) ||
         if_it_fits(std::integral_constant<int, 4>()) ||
         if_it_fits(std::integral_constant<int, kMostGroups>());
}

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_SHARED_MEMORY_H_
