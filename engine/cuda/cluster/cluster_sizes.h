// The shapes that the cluster kernel is compiled for, and what follows from them.
//
// A network of width 256 is cut over the 16 blocks of a cluster by outputs: block r computes tiles
// (16 outputs, weight_packing.h) r T to r T + T - 1 of a matrix of 16 T tiles. A group is up to 8
// sequences: the columns of mma.m16n8k16. Host and device arithmetic.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_SIZES_H_
#define STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_SIZES_H_

namespace strided::cuda::cluster {

inline constexpr int kBlocks = 16;  // of a cluster
inline constexpr int kWidth = 256;  // d_model
inline constexpr int kColumns = 8;  // sequences of a group
inline constexpr int kTile = 16;    // outputs of a tile, and inputs of a step
inline constexpr int kMaxVocab = kBlocks * kTile;
inline constexpr int kMaxAxes = 4;  // position tables

// A chunk of weights is one tile by 16 steps (256 inputs), as fragments, then the sums of its 16
// rows and their biases, float32.
inline constexpr int kChunkSteps = 16;
inline constexpr int kChunkInputs = kChunkSteps * kTile;
inline constexpr int kStepBytes = 32 * 16;  // of a tile's weights: 16 bytes a lane
inline constexpr int kRowSumsAt = kChunkSteps * kStepBytes;
inline constexpr int kBiasAt = kRowSumsAt + kTile * 4;
inline constexpr int kChunkBytes = kBiasAt + kTile * 4;

// Activations lie as the products' B operands: [step][column][16] bfloat16.
inline constexpr int kColumnBytes = kTile * 2;
inline constexpr int kOperandBytes = kColumns * kColumnBytes;  // of a step

// Warps of a block: teams of kProductWarps, each with groups of its own, then those of attention,
// then one that fetches weights. A step's sums over inputs are cut into as many parts as a team has
// warps, and keys are dealt to the attention warps in tiles of 16: orders that no batch changes.
inline constexpr int kProductWarps = 4;
inline constexpr int kAttentionWarps = 7;

// Groups of a cluster that a kernel is compiled for at most. A second team works while the first
// waits.
inline constexpr int kMostGroups = 5;
constexpr int TeamsOf(int groups) { return groups > 1 ? 2 : 1; }
constexpr int ThreadsOf(int groups) {
  return 32 * (TeamsOf(groups) * kProductWarps + kAttentionWarps + 1);
}

// The products of a step, in the order in which their weights stream in.
enum class Stage { kQueryKeyValue, kOutput, kUp, kDown, kHead };
inline constexpr int kLayerStages = 4;

struct Shape {
  int heads = 0;
  int d_key = 0;
  int d_value = 0;
  int ff_tiles = 0;  // of a block: d_ff is padded to 256 ff_tiles

  constexpr bool operator==(const Shape&) const = default;
};

template <int heads, int d_key, int d_value, int ff_tiles>
struct Sizes {
  static constexpr int kHeads = heads;
  static constexpr int kKey = d_key;
  static constexpr int kValue = d_value;
  static constexpr int kFfTiles = ff_tiles;
  static constexpr int kHeadOutputs = 2 * d_key + d_value;  // query, key, value of one head
  static constexpr int kQkvTiles = heads * kHeadOutputs / (kBlocks * kTile);  // of a block
  static constexpr int kMixedChunks = heads * d_value / kChunkInputs;
  static constexpr int kPairs = kColumns * heads / kBlocks;  // (sequence, head) of a block, at most

  static_assert(heads * kHeadOutputs % (kBlocks * kTile) == 0, "whole tiles for every block");
  static_assert(heads * d_value % kChunkInputs == 0, "whole chunks");
  static_assert(d_key % 32 == 0 && d_value % 64 == 0, "whole vectors of attention");
  static_assert(kColumns * heads % kBlocks == 0, "pairs are dealt evenly");

  static constexpr int ChunksOf(Stage stage) {
    switch (stage) {
      case Stage::kQueryKeyValue:
        return kQkvTiles;
      case Stage::kOutput:
        return kMixedChunks;
      case Stage::kUp:
      case Stage::kDown:
        return kFfTiles;
      case Stage::kHead:
        return 1;
    }
    return 0;
  }
  static constexpr int kLayerChunks = kQkvTiles + kMixedChunks + 2 * kFfTiles;
};

// Calls visit(Sizes<...>()) for each shape that there is a kernel for, until one returns true;
// returns whether one did.
template <typename Visit>
constexpr bool VisitSizes(Visit&& visit) {
  return visit(Sizes<2, 64, 128, 2>()) ||  // the CIFAR-10 networks
         visit(Sizes<4, 32, 64, 2>()) ||   // the bundled image and audio models
         visit(Sizes<4, 64, 64, 4>());     // the bundled text model
}

template <class S>
constexpr Shape ShapeOf(S) {
  return {S::kHeads, S::kKey, S::kValue, S::kFfTiles};
}

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_SIZES_H_
