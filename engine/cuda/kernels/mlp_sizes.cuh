// What a block of the kernel of decode_mlp.cuh takes, and its shared memory.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_MLP_SIZES_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_MLP_SIZES_CUH_

#include <cstdint>

#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/product_block.cuh"
#include "engine/cuda/kernels/product_weights.cuh"

namespace strided::cuda::mlp {

using product::GroupWeights;
using product::kGroupInputs;
using product::kTileColumns;

inline constexpr int kWarps = 16;
inline constexpr int kMostBlocks = 16;

// d_model = 256 kTiles, d_ff = 64 kRounds C.
template <WeightFormat kFormatOf, Operand kOperandOf, int kTilesOf, int kRoundsOf>
struct MlpSizes {
  static constexpr WeightFormat kFormat = kFormatOf;
  static constexpr Operand kOperand = kOperandOf;
  static constexpr int kTiles = kTilesOf;          // of 16 outputs of `down`, to a warp
  static constexpr int kRounds = kRoundsOf;        // groups of hidden units, to a block
  static constexpr int kUnits = kTiles * kRounds;  // of 16 x 64 of either matrix, to a warp
  static constexpr int kWidth = 256 * kTiles;
  static constexpr int kWidthGroups = kWidth / kGroupInputs;
  static constexpr int kHidden = kRounds * kGroupInputs;  // units of a block
  static constexpr int kHiddenTiles = kHidden / kTileOutputs;
  static_assert(kHiddenTiles * kWidthGroups == kUnits * kWarps);
  using Type = typename OperandTraits<kOperand>::Type;

  struct Memory {
    // What a thread copies and reads itself.
    uint4 down[kUnits][GroupWeights<kFormat>::kUnits][32 * kWarps];
    __align__(16) Type normed[kTileColumns][kWidth + product::kRowPadding];
    __align__(16) Type expanded[kTileColumns][kHidden + product::kRowPadding];
    __align__(16) float norm[2][kWidth];
    // Of up: the sums of each group's warp. [column][output], as ShareSums leaves them.
    float sums[kHiddenTiles][kWidthGroups][kTileColumns * (kTileOutputs + product::kSumPadding)];
    // Of down: [block][column][output of those owned + padding].
    float arrived[kTileColumns * (kWidth + kMostBlocks * product::kSumPadding)];
    uint64_t barrier;  // for what arrives
  };
};

}  // namespace strided::cuda::mlp

#endif  // STRIDED_ENGINE_CUDA_KERNELS_MLP_SIZES_CUH_
