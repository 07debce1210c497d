// Sizes of the kernels of heads (heads_kernel.h), and what follows from them.

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_SIZES_H_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_SIZES_H_

#include "engine/cuda/grid/grid_sizes.h"

namespace strided::cuda::grid {

inline constexpr int kClusterBlocks = 8;
inline constexpr int kSlots = 4;                     // chunks of keys that a block holds
inline constexpr int kHeadsThreads = kThreads + 32;  // with a warp that fetches
// Chunks of a cluster's heads. Unit u is chunk u / heads of head u % heads, in place u / 8 of block
// u % 8.
inline constexpr int kUnits = kClusterBlocks * kSlots;

// What a cluster of blocks has of a layer: the heads whose values are one group of out's inputs.
template <class S>
struct HeadsSizes {
  static constexpr int kHeads = kGroup / S::kValue;  // of a cluster
  static constexpr int kClusters = S::kModel / kGroup;
  static_assert(kClusters * kClusterBlocks == kBlocks);
  static_assert(kGroup % S::kValue == 0 && S::kKey == S::kValue);    // heads that fill a group
  static constexpr int kQkvTiles = kHeads * S::kHead / 16;           // of a cluster
  static constexpr int kOutTiles = S::kModel / 16 / kClusterBlocks;  // of a block, of down too
  static constexpr int kShare = S::kValue + 4;  // floats: values, largest score, weights, padding

  // The MLP: a product of down adds the sums of S::kDownWarps warps, each over kRounds groups of
  // inputs that lie S::kDownWarps groups apart. A cluster stands for kDownParts of those warps,
  // and has up's outputs that are their inputs.
  static constexpr int kDownParts = S::kDownWarps / kClusters;
  static constexpr int kRounds = S::kDownRounds;
  static constexpr int kUpGroups = kRounds * kDownParts;
  // The group of up's outputs that is the cluster's `index`-th: round, then part.
  static constexpr int UpGroup(int cluster, int index) {
    return index / kDownParts * S::kDownWarps + cluster * kDownParts + index % kDownParts;
  }
  // The matrix's tile of up that is the cluster's `index`-th.
  static constexpr int UpTile(int cluster, int index) {
    constexpr int kTiles = kGroup / 16;  // of a group
    return UpGroup(cluster, index / kTiles) * kTiles + index % kTiles;
  }

  // The tile of qkv, and of up, of team `team` of the cluster's block `rank`: of the cluster's.
  static constexpr int QkvTileOf(int team, int rank) { return team * kClusterBlocks + rank; }
  static constexpr int UpTileOf(int team, int rank) { return rank * S::kModelTeams + team; }

  // A team for every tile.
  static_assert(kQkvTiles <= kClusterBlocks * S::kModelTeams && S::kDownWarps % kClusters == 0);
  static_assert(kUpGroups * (kGroup / 16) == kClusterBlocks * S::kModelTeams);
  static_assert(kOutTiles * kDownParts <= kWarps);
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_SIZES_H_
