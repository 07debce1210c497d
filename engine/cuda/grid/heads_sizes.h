// Sizes of the kernel of one row (heads_kernel.h), and what follows from them.

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
  static constexpr int kBlocks = kClusters * kClusterBlocks;
  static constexpr int kQkvTiles = kHeads * S::kHead / 16;           // of a cluster
  static constexpr int kOutTiles = S::kModel / 16 / kClusterBlocks;  // of a block
  static constexpr int kDownBlocks = S::kModel / 16 / S::kDownTeams;
  static constexpr int kShare = S::kValue + 4;  // floats: values, largest score, weights, padding

  // A step's kernel: whole clusters.
  static constexpr int kGrid =
      (kBlocks + kDownBlocks + kClusterBlocks - 1) / kClusterBlocks * kClusterBlocks;
};

// Whether a shape has the kernel: heads that fill a group, and a team for every tile.
template <class S>
constexpr bool HasHeads(S /*sizes*/) {
  if constexpr (S::kModel != 512 || kGroup % S::kValue != 0 || S::kKey != S::kValue) {
    return false;
  } else {
    using H = HeadsSizes<S>;
    return H::kQkvTiles <= kClusterBlocks * S::kModelTeams &&
           S::kHidden == H::kBlocks * S::kModelTeams * 16 && H::kBlocks * 8 == S::kModel;
  }
}

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_SIZES_H_
