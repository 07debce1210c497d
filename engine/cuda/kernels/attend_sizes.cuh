// What a block of the kernel of decode_attend.cuh takes, and its shared memory.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTEND_SIZES_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTEND_SIZES_CUH_

#include <cstdint>

#include "engine/cuda/kernels/attention_early.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/product_block.cuh"
#include "engine/cuda/kernels/product_weights.cuh"

namespace strided::cuda::attend {

using product::GroupWeights;
using product::kGroupInputs;

inline constexpr int kHeads = 16;  // blocks of a cluster
inline constexpr int kHeadWidth = 32;
inline constexpr int kWidth = kHeads * kHeadWidth;  // d_model
inline constexpr int kGroups = kWidth / kGroupInputs;
inline constexpr int kAttentionWarps = 4;
inline constexpr int kWarps = 16;
inline constexpr int kOutputs = 3 * kHeadWidth;  // of a head: query, key, value
inline constexpr int kTiles = kOutputs / kTileOutputs;
inline constexpr int kOwned = kWidth / kHeads;  // outputs of a block
static_assert(kOwned / kTileOutputs * kGroups == kWarps);

template <WeightFormat kFormatOf, Operand kOperandOf>
struct AttendSizes {
  static constexpr WeightFormat kFormat = kFormatOf;
  static constexpr Operand kOperand = kOperandOf;
  using Type = typename OperandTraits<kOperand>::Type;
  using Early = attention::EarlyAttention<kOperand, kAttentionWarps, 4, 4>;

  struct Memory {
    __align__(16) Type normed[product::kTileColumns][kWidth + product::kRowPadding];
    __align__(16) Type mixed[product::kTileColumns][kWidth + product::kRowPadding];
    __align__(16) float norm[2][kWidth];
    // Of a warp's tile, as ShareSums leaves them.
    float sums[kTiles][kGroups][product::kTileColumns * (kTileOutputs + product::kSumPadding)];
    __align__(16) float query[kHeadWidth];
    __align__(16) Type own[2][kHeadWidth];  // key, value
    typename Early::Shared attention;
    uint64_t barrier;  // for `mixed`
  };
};

// The sum of a product for output `output` of the block's, over its groups in their order.
template <class Memory>
__device__ __forceinline__ float SumAt(const Memory& memory, int output) {
  float of_group[kGroups];  // read together, added in order
#pragma unroll
  for (int g = 0; g < kGroups; ++g) {
    of_group[g] = memory.sums[output / kTileOutputs][g][output % kTileOutputs];
  }
  float sum = 0;
#pragma unroll
  for (const float part : of_group) sum += part;
  return sum;
}

}  // namespace strided::cuda::attend

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTEND_SIZES_CUH_
