// How a block of decode_product_warpgroup.cuh is laid out.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_WARPGROUP_SIZES_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_WARPGROUP_SIZES_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/product_block.cuh"
#include "engine/cuda/kernels/warpgroup.cuh"

namespace strided::cuda::warpgroup {

using product::kGroupInputs;
using product::kTileColumns;

// Columns of a block of many rows, of the inputs that a cluster shares at fewer, and of the 512
// that are added to the residual stream, whose outputs are few.
inline constexpr int kManyColumns = 64;
inline constexpr int kSomeColumns = 32;
inline constexpr int kFewColumns = 16;

inline constexpr int kThreads = 32 * kWarpgroupWarps;
inline constexpr int kOutputs = kWarpgroupWarps * kTileOutputs;
inline constexpr int kGroups = 8;  // of 64 inputs, of a block: their weights fit the registers
inline constexpr int kHalf = 8;    // of a warp's outputs: 16 bytes of a row
inline constexpr int kParts = kOutputs / kHalf;

template <WeightFormat kFormatOf, Operand kOperandOf, ProductOutput kOutputOf, int kSplitOf,
          int kColumnsOf>
struct WarpgroupSizes {
  static constexpr WeightFormat kFormat = kFormatOf;
  static constexpr Operand kOperand = kOperandOf;
  static constexpr ProductOutput kOutput = kOutputOf;
  static constexpr int kSplit = kSplitOf;      // blocks that share the inputs
  static constexpr int kColumns = kColumnsOf;  // rows of the step, of a block
  using Traits = OperandTraits<kOperand>;
  using Type = typename Traits::Type;
  static constexpr int kInputs = kGroups * kSplit * kGroupInputs;
  static constexpr int kWarps =  // W
      kGroups * kSplit < product::kMaxWarps ? kGroups * kSplit : product::kMaxWarps;
  static constexpr int kRounds = kGroups * kSplit / kWarps;  // groups of a sum
  static constexpr int kSums = kWarps / kSplit;              // of a block
  static constexpr int kTiles = kColumns / kTileColumns;
  static constexpr int kOwned = kTiles / kSplit;  // tiles whose results are the block's
  static_assert(kSums * kRounds == kGroups && kOwned * kSplit == kTiles);
  static constexpr int kGroupBytes = kColumns * kGroupInputs * static_cast<int>(sizeof(Type));

  static constexpr bool kAdds = kOutput == ProductOutput::kResidual;
  // Blocks of the next kernel that come early take the room of this one's that are still to come.
  static constexpr bool kStartsNextLate =
      kOutput != ProductOutput::kQueryKeyValue && kColumns != kSomeColumns;
  static constexpr bool kScatters = kOutput == ProductOutput::kQueryKeyValue;

  // Where eight neighbouring keys or values of a row go; null: nowhere.
  struct Homes {
    std::byte* first;
    std::byte* second;
  };

  struct Memory {
    __align__(1024) std::byte columns[kGroups][kGroupBytes];  // as ColumnsAt has them
    // What the other blocks send: [sum][tile of those owned][thread].
    float4 sums[kSplit > 1 ? kWarps - kSums : 1][kOwned][kSplit > 1 ? kThreads : 1];
    // [part of eight outputs][column]
    Homes homes[kScatters ? kParts : 1][kScatters ? kColumns : 1];
    // Results in the operand's type, their parts exchanged as those of the columns.
    __align__(16) std::byte results[kAdds ? 1 : kColumns][kOutputs * sizeof(Type)];
    uint64_t arrived[kGroups];  // barriers: of each group's columns,
    uint64_t exchanged;         // and of the sums
  };
};

}  // namespace strided::cuda::warpgroup

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_WARPGROUP_SIZES_CUH_
