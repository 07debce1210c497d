// Where everything lies in a block's shared memory.
//
//   ring      chunks of weights, as many as there is room for
//   outputs   partial outputs of the attention warps, twice, in turns
//   groups    kGroups areas: operands, partial sums, queries, logits, tokens, barriers
//   pairs     what the attention warps keep of each of the block's pairs
//   barriers  of the ring
//
// Host and device arithmetic; offsets in bytes from the start.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_SHARED_MEMORY_H_
#define STRIDED_ENGINE_CUDA_CLUSTER_SHARED_MEMORY_H_

#include "engine/cuda/cluster/cluster_sizes.h"

namespace strided::cuda::cluster {

inline constexpr int kSharedLimit = 227 * 1024;  // of a block, from sm_90 on
inline constexpr int kBarrierBytes = 8;
inline constexpr int kStageBarriers = 8;  // stages of weights that are under way at most

constexpr int RoundUp(int bytes, int to) { return (bytes + to - 1) / to * to; }

// A group's area. Offsets from its start.
template <class S>
struct GroupMemory {
  // Column pitch of partial sums [warp][column][outputs]: 4 floats more, so that the lanes of a
  // fragment write to different banks.
  static constexpr int kWidePitch =
      (S::kQkvTiles > S::kFfTiles ? S::kQkvTiles : S::kFfTiles) * kTile + 4;
  static constexpr int kNarrowPitch = kTile + 4;
  static constexpr int PartialBytes(int pitch) { return kProductWarps * kColumns * pitch * 4; }

  // Of a (sequence, head) pair: the query as the sum of two bfloat16 vectors, key, value.
  static constexpr int kKeyAt = 2 * S::kKey * 2;
  static constexpr int kValueAt = 3 * S::kKey * 2;
  static constexpr int kPairBytes = kValueAt + S::kValue * 2;

  static constexpr int kHidden = 0;  // the residual stream, as an operand
  static constexpr int kMixed = kHidden + kWidth / kTile * kOperandBytes;
  static constexpr int kExpanded = kMixed + S::kMixedChunks * kChunkSteps * kOperandBytes;
  // The sums of the stages that split a layer's first and third product, and of the others:
  // stages take turns, so that a warp may be a stage ahead of one that still reads.
  static constexpr int kWideSums = kExpanded + S::kFfTiles * kChunkSteps * kOperandBytes;
  static constexpr int kNarrowSums = kWideSums + PartialBytes(kWidePitch);
  static constexpr int kMoments = kNarrowSums + PartialBytes(kNarrowPitch);
  static constexpr int kQueries = kMoments + kProductWarps * kColumns * 8;
  static constexpr int kLogits = RoundUp(kQueries + S::kPairs * kPairBytes, 16);
  static constexpr int kTokens = kLogits + kMaxVocab * 4;
  static constexpr int kBarriers = kTokens + kColumns * 4;
  static constexpr int kBarrierCount = 5 + S::kPairs;
  static constexpr int kBytes = RoundUp(kBarriers + kBarrierCount * kBarrierBytes, 128);

  // A sampler's scratch lies over what is idle between the head and the next step's attention.
  static constexpr int kScratch = kMixed;
  static constexpr int kScratchBytes = kQueries - kMixed;
};

template <class S>
struct BlockMemory {
  static constexpr int kOutputPitch = S::kValue;  // floats of a warp's partial output
  static constexpr int kOutputBytes = kAttentionWarps * (kOutputPitch + 2) * 4;

  static constexpr int kPairStateBytes = 32;
  static constexpr int kFixedBytes =
      2 * RoundUp(kOutputBytes, 128) + kGroups * S::kPairs * kPairStateBytes +
      kGroups * GroupMemory<S>::kBytes + 2 * kStageBarriers * kBarrierBytes;
  static constexpr int kSlots = (kSharedLimit - kFixedBytes) / kChunkBytes;

  static constexpr int kRing = 0;
  static constexpr int kOutputs = RoundUp(kSlots * kChunkBytes, 128);
  static constexpr int kGroupAreas = kOutputs + 2 * RoundUp(kOutputBytes, 128);
  static constexpr int kPairStates = kGroupAreas + kGroups * GroupMemory<S>::kBytes;
  static constexpr int kFull = kPairStates + kGroups * S::kPairs * kPairStateBytes;
  static constexpr int kEmpty = kFull + kStageBarriers * kBarrierBytes;
  static constexpr int kBytes = kEmpty + kStageBarriers * kBarrierBytes;

  static_assert(kSlots >= 2 * S::kFfTiles && kSlots >= S::kQkvTiles + S::kMixedChunks,
                "two stages of weights fit");
  static_assert(kBytes <= kSharedLimit);
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_SHARED_MEMORY_H_
