// How a block of a decode product is laid out: its columns, and its shared memory.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_BLOCK_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_BLOCK_CUH_

#include <cstddef>

#include "engine/cuda/kernels/decode_product.h"
#include "engine/cuda/kernels/row_norm.cuh"
#include "engine/cuda/kernels/weight_packing.h"

namespace strided::cuda::product {

inline constexpr int kGroupSteps = kStepQuantum;                // of mma.m16n8k16
inline constexpr int kGroupInputs = kGroupSteps * kStepInputs;  // 64
inline constexpr int kMaxWarps = 16;
inline constexpr int kRounds = 2;  // groups of a warp that are in flight; staged together
inline constexpr int kTileColumns = 8;
inline constexpr int kLogTileOutputs = 4;
inline constexpr int kRowPadding =
    8;  // elements: keeps the columns of a staged row in different banks
inline constexpr int kSumPadding = 4;  // floats: the same for sums

// A block's columns: rows first_row... of the step. The columns of its fragments beyond `count` are
// zeros.
struct Columns {
  int first_row;
  int count;
};

// What a block knows of a column's sequence and one of its heads.
struct Place {
  std::byte* keys = nullptr;  // in the cache, or its query's of `fresh`; null: the row is idle
  int position = 0;
  int length = 0;  // N
};

// Where one output of one column of queries, keys and values goes; null: nowhere.
struct Target {
  float* query = nullptr;
  std::byte* first = nullptr;   // in the caches
  std::byte* second = nullptr;  // the other home of a summary cell
};

// The block's shared memory, in bytes from its start; parts that a product does not need are empty.
struct SharedLayout {
  int stride = 0;     // elements between columns of the staged inputs, which come first
  int sums = 0;       // [warp][column][output of a tile + padding] float32
  int warp_sums = 0;  // bytes of one warp's
  int targets = 0;    // [column][output]
  int places = 0;     // [column][head], from the head of the block's first output on
  int residual = 0;   // [column][output] float32
  int norm = 0;       // weight, then bias, [inputs] float32 each
  int bytes = 0;      // in all
};

// Heads that `outputs` neighbouring outputs may belong to.
__host__ __device__ inline int HeadsOf(const DecodeProduct& p, int outputs) {
  return (outputs - 2) / (2 * p.d_key + p.d_value) + 2;
}

// `warps` share the inputs of a tile of outputs, of which the block has `tiles`.
__host__ __device__ inline SharedLayout LayoutOf(const DecodeProduct& p, int warps, int tiles,
                                                 int columns, int element_bytes) {
  const auto aligned = [](int bytes) { return (bytes + 15) / 16 * 16; };
  const int groups = PackedSteps(p.matrix.inputs) / kGroupSteps;
  const int staged_groups = groups < warps * kRounds ? groups : warps * kRounds;
  const int outputs = tiles * kTileOutputs;
  const int cells = outputs * columns;
  SharedLayout layout;
  layout.stride = staged_groups * kGroupInputs + kRowPadding;
  layout.sums = aligned(columns * layout.stride * element_bytes);
  layout.warp_sums = columns * (kTileOutputs + kSumPadding) * static_cast<int>(sizeof(float));
  layout.targets = layout.sums + layout.warp_sums * warps * tiles;
  const bool targets = p.output == ProductOutput::kQueryKeyValue;
  layout.places = layout.targets + (targets ? cells * static_cast<int>(sizeof(Target)) : 0);
  const int places = targets ? columns * HeadsOf(p, outputs) * static_cast<int>(sizeof(Place)) : 0;
  layout.residual = layout.places + places;
  const bool residual = p.output == ProductOutput::kResidual;
  layout.norm = layout.residual + (residual ? cells * static_cast<int>(sizeof(float)) : 0);
  const bool norm = p.normed && p.norm.weight != nullptr && IsHeld(p.matrix.inputs);
  layout.bytes = layout.norm + (norm ? 2 * p.matrix.inputs * static_cast<int>(sizeof(float)) : 0);
  return layout;
}

}  // namespace strided::cuda::product

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_BLOCK_CUH_
