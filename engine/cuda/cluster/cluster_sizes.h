// The shapes that the cluster kernel is compiled for, and what follows from them.
//
// A network is cut over the 16 blocks of a cluster by outputs: block r computes tiles (16 outputs,
// weight_packing.h) r T to r T + T - 1 of a matrix of 16 T tiles. A group is up to 8 sequences: the
// columns of mma.m16n8k16. Host and device arithmetic.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_SIZES_H_
#define STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_SIZES_H_

#include <algorithm>
#include <type_traits>

namespace strided::cuda::cluster {

inline constexpr int kBlocks = 16;   // of a cluster
inline constexpr int kColumns = 8;   // sequences of a group
inline constexpr int kTile = 16;     // outputs of a tile, and inputs of a step
inline constexpr int kKeyTile = 16;  // keys that a warp attends to at a time
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

// A product's sums over inputs are cut into so many parts, which a team's warps share, and keys are
// dealt to the attention warps in tiles of 16: orders that no batch changes.
inline constexpr int kParts = 4;
inline constexpr int kAttentionWarps = 7;

// Groups of a cluster that a kernel is compiled for at most.
inline constexpr int kMostGroups = 5;
// The products of a step, in the order in which their weights stream in.
enum class Stage { kQueryKeyValue, kOutput, kUp, kDown, kHead };
inline constexpr int kLayerStages = 4;

// A product as a block sees it. Its weights stream in by passes, so that those of the next come
// while those of one are in use: some of the tiles where the sums over inputs are short, some of
// the inputs of every tile where they are long.
struct StageSize {
  static constexpr int kMostPassChunks = 4;

  int tiles = 0;            // of outputs
  int chunks = 0;           // of inputs, for each tile
  int steps = kChunkSteps;  // of a chunk: all, but where there are fewer inputs than a chunk has

  static constexpr StageSize Of(int tiles, int inputs) {
    return {tiles, (inputs + kChunkInputs - 1) / kChunkInputs,
            std::min(inputs / kTile, kChunkSteps)};
  }

  constexpr int pass_tiles() const {
    return tiles * chunks <= kMostPassChunks || chunks >= tiles ? tiles : kMostPassChunks / chunks;
  }
  constexpr int pass_chunks() const {  // of each tile
    return tiles * chunks <= kMostPassChunks || chunks < tiles ? chunks : kMostPassChunks / tiles;
  }
  constexpr int all_chunks() const { return tiles * chunks; }
  constexpr int chunks_a_pass() const { return pass_tiles() * pass_chunks(); }
  constexpr int passes() const { return all_chunks() / chunks_a_pass(); }
  constexpr bool divides() const {
    return tiles % pass_tiles() == 0 && chunks % pass_chunks() == 0;
  }
};

// How they stream in: so many passes of so many chunks.
struct PassSize {
  int passes = 0;
  int chunks = 0;

  static constexpr PassSize Of(const StageSize& size) {
    return {size.passes(), size.chunks_a_pass()};
  }
};

struct Shape {
  int width = 0;  // d_model
  int heads = 0;
  int d_key = 0;
  int d_value = 0;
  int ff_tiles = 0;  // of a block: d_ff is padded to 256 ff_tiles
  bool int8_caches = false;

  constexpr bool operator==(const Shape&) const = default;
};

// `copy_groups`: kernels of up to so many groups have keys and values copied ahead
// (keys_ahead.cuh). `prefetches`: kernels of several groups ask for what they do not copy to
// come to the second-level cache. `free_groups`: in kernels of so many groups and more the
// attention warps are free: they wait for no other, each copies its own keys, and the teams send
// the outputs. All as far as that was measured to be faster.
// NOLINTBEGIN(readability-identifier-naming): the members have the names with a k.
template <int width, int heads, int d_key, int d_value, int ff_tiles, int copy_groups,
          int free_groups = kMostGroups + 1, bool prefetches = false>
// NOLINTEND(readability-identifier-naming)
struct Sizes {
  // Of so many outputs, a block's.
  static constexpr int TilesOf(int outputs) {
    return (outputs + kBlocks * kTile - 1) / (kBlocks * kTile);
  }
  static constexpr int kCopyGroups = copy_groups;
  static constexpr int kFreeGroups = free_groups;
  static constexpr bool kFreeAttention = false;  // see KernelSizes
  static constexpr bool kPrefetches = prefetches;
  static constexpr bool kInt8Caches = false;
  static constexpr int kCacheElementBytes = 2;
  static constexpr int kWidth = width;
  // Of the residual stream, a block's; of a width below 256 the first blocks'.
  static constexpr int kWidthTiles = TilesOf(width);
  static constexpr int kHeads = heads;
  static constexpr int kKey = d_key;
  static constexpr int kValue = d_value;
  static constexpr int kFfTiles = ff_tiles;
  static constexpr int kHeadOutputs = 2 * d_key + d_value;  // query, key, value of one head
  static constexpr int kQkvOutputs = heads * kHeadOutputs;
  static constexpr int kPairs = kColumns * heads / kBlocks;  // (sequence, head) of a block, at most

  static constexpr StageSize SizeOf(Stage stage) {
    switch (stage) {
      case Stage::kQueryKeyValue:
        return StageSize::Of(TilesOf(kQkvOutputs), width);
      case Stage::kOutput:
        return StageSize::Of(kWidthTiles, heads * d_value);
      case Stage::kUp:
        return StageSize::Of(kFfTiles, width);
      case Stage::kDown:
        return StageSize::Of(kWidthTiles, kFfTiles * kBlocks * kTile);
      case Stage::kHead:
        return StageSize::Of(1, width);
    }
    return {};
  }
  static constexpr StageSize kQueryKeyValue = SizeOf(Stage::kQueryKeyValue);
  static constexpr StageSize kOutput = SizeOf(Stage::kOutput);
  static constexpr StageSize kUp = SizeOf(Stage::kUp);
  static constexpr StageSize kDown = SizeOf(Stage::kDown);
  static constexpr StageSize kHead = SizeOf(Stage::kHead);

  template <StageSize kSize>
  static constexpr PassSize kPassesOf = PassSize::Of(kSize);
  // Constants to choose from: the thread that copies weights has no time for divisions.
  static constexpr PassSize PassesOf(Stage stage) {
    switch (stage) {
      case Stage::kQueryKeyValue:
        return kPassesOf<kQueryKeyValue>;
      case Stage::kOutput:
        return kPassesOf<kOutput>;
      case Stage::kUp:
        return kPassesOf<kUp>;
      case Stage::kDown:
        return kPassesOf<kDown>;
      case Stage::kHead:
        return kPassesOf<kHead>;
    }
    return {};
  }

  static constexpr int kLayerChunks =
      kQueryKeyValue.all_chunks() + kOutput.all_chunks() + kUp.all_chunks() + kDown.all_chunks();
  // Whether each stage is one pass: then a layer's weights have places of their own in shared
  // memory (layer_weights.cuh).
  static constexpr bool kWholeStages = kQueryKeyValue.passes() == 1 && kOutput.passes() == 1 &&
                                       kUp.passes() == 1 && kDown.passes() == 1;
  // Of the team of product warps that each of so many groups has. What a team does is a chain of
  // short steps, so more groups are served by smaller teams side by side. Free attention warps need
  // registers, which few warps a block have.
  static constexpr int TeamWarps(int groups, bool free) {
    if (groups == 1 || !kWholeStages) return kParts;  // by passes, a share of sums is of one part
    if (free) return groups == 2 ? std::max(2, ff_tiles) : 1;
    return groups == 2 ? kParts : groups <= 4 ? 2 : 1;
  }
  // Of a layer, those before the stage's.
  static constexpr int ChunksBefore(Stage stage) {
    int chunks = 0;
    for (int before = 0; before < static_cast<int>(stage); ++before) {
      chunks += SizeOf(static_cast<Stage>(before)).all_chunks();
    }
    return chunks;
  }
  static constexpr int StepChunks(int n_layer) {
    return n_layer * kLayerChunks + kHead.all_chunks();
  }
  static constexpr int kMostPassTiles =
      std::max({kQueryKeyValue.pass_tiles(), kUp.pass_tiles(), kWidthTiles});
  static constexpr int kMostPassChunks =
      std::max({kQueryKeyValue.chunks_a_pass(), kOutput.chunks_a_pass(), kUp.chunks_a_pass(),
                kDown.chunks_a_pass(), kHead.chunks_a_pass()});

  static constexpr bool DividesInputs(int inputs) {
    return inputs % kChunkInputs == 0 || (inputs < kChunkInputs && inputs % (kParts * kTile) == 0);
  }
  static_assert(DividesInputs(width) && DividesInputs(heads * d_value),
                "whole chunks, or one that the parts share evenly");
  static_assert(kQkvOutputs % kTile == 0, "whole tiles");
  static_assert(kQueryKeyValue.divides() && kOutput.divides() && kUp.divides() && kDown.divides(),
                "whole passes");
  static_assert(d_key % 32 == 0 && d_value % 32 == 0, "whole vectors of attention");
  static_assert(kColumns * heads % kBlocks == 0, "pairs are dealt evenly");
};

// The same network over int8 caches (engine/cache/cache_format.h).
// NOLINTNEXTLINE(readability-identifier-naming): as above.
template <class S, int copy_groups, int free_groups, bool prefetches>
struct WithInt8Caches : S {
  static constexpr int kCopyGroups = copy_groups;
  static constexpr int kFreeGroups = free_groups;
  static constexpr bool kPrefetches = prefetches;
  static constexpr bool kInt8Caches = true;
  static constexpr int kCacheElementBytes = 1;
};

// The same in a kernel whose attention warps are free.
template <class S>
struct WithFreeAttention : S {
  static constexpr bool kFreeAttention = true;
};

// The shape as its kernel for `groups` groups has it.
// NOLINTNEXTLINE(readability-identifier-naming): as above.
template <class S, int groups>
using KernelSizes = std::conditional_t<(groups >= S::kFreeGroups), WithFreeAttention<S>, S>;

using CifarSizes = Sizes<256, 2, 64, 128, 2, 5, 2>;                     // the CIFAR-10 networks
using ImageSizes = Sizes<256, 4, 32, 64, 2, 1, kMostGroups + 1, true>;  // bundled images and audio
using TextSizes = Sizes<256, 4, 64, 64, 4, 0, 3>;                       // the bundled text model

// Calls visit(Sizes<...>()) for each shape that there is a kernel for, until one returns true;
// returns whether one did.
template <typename Visit>
constexpr bool VisitSizes(Visit&& visit) {
  return visit(CifarSizes()) || visit(ImageSizes()) || visit(TextSizes()) ||
         visit(Sizes<128, 2, 64, 64, 2, 5, 2>()) || visit(Sizes<128, 4, 32, 32, 2, 0>()) ||
         visit(Sizes<64, 2, 32, 32, 1, 0, 2>()) ||
         visit(Sizes<512, 16, 32, 32, 8, 2>()) ||  // the ImageNet-64 and music networks
         visit(Sizes<512, 8, 64, 64, 8, 0>()) ||   // the enwik8 networks
         visit(WithInt8Caches<CifarSizes, 5, 5, false>()) ||
         visit(WithInt8Caches<ImageSizes, 5, 2, true>()) ||
         visit(WithInt8Caches<TextSizes, 5, 3, true>());
}

template <class S>
constexpr Shape ShapeOf(S) {
  return {S::kWidth, S::kHeads, S::kKey, S::kValue, S::kFfTiles, S::kInt8Caches};
}

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_SIZES_H_
