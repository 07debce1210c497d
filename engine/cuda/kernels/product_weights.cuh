// The weights of a decode product: two groups of a warp in registers, fetched before they are
// needed, and their products with the staged columns.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_WEIGHTS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_WEIGHTS_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/product_block.cuh"

namespace strided::cuda::product {

template <WeightFormat kFormat>
struct GroupWeights {
  using Unit = WeightUnit<kFormat>;
  static constexpr int kUnits = kGroupSteps / Unit::kSteps;
  uint4 units[kUnits];

  __device__ __forceinline__ void Fetch(const DeviceMatrix& matrix, int tile, int group, int steps,
                                        int lane) {
    if (group * kGroupSteps >= steps || tile >= PackedTiles(matrix.outputs)) return;
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      units[u] = __ldg(
          Unit::Address(matrix.weights, tile, group * kGroupSteps + u * Unit::kSteps, steps, lane));
    }
  }
};

// sums += the group's outputs for the block's columns. `staged` points to the group's first input
// of column 0.
template <WeightFormat kFormat, Operand kOperand, int kColumnTiles>
__device__ __forceinline__ void MultiplyGroup(const GroupWeights<kFormat>& weights,
                                              const typename OperandTraits<kOperand>::Type* staged,
                                              int stride, int columns, int lane,
                                              float (&sums)[kColumnTiles][4]) {
  using Unit = WeightUnit<kFormat>;
  const auto* const mine = staged + lane / 4 * stride + lane % 4 * 2;
#pragma unroll
  for (int step = 0; step < kGroupSteps; ++step) {
    uint32_t a[4];
    Unit::Fragment(weights.units[step / Unit::kSteps], step % Unit::kSteps, a);
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
      uint32_t b[2] = {0, 0};
      if (n * kTileColumns + lane / 4 < columns) {
        const auto* const at = mine + n * kTileColumns * stride + step * kStepInputs;
        b[0] = *reinterpret_cast<const uint32_t*>(at);
        b[1] = *reinterpret_cast<const uint32_t*>(at + 8);
      }
      MultiplyTile<kOperand>(sums[n], a, b[0], b[1]);
    }
  }
}

// Sums of one warp to shared memory, [column][output].
template <int kColumnTiles>
__device__ __forceinline__ void ShareSums(const float (&sums)[kColumnTiles][4], int lane,
                                          float* shared) {
  constexpr int kStride = kTileOutputs + kSumPadding;
#pragma unroll
  for (int n = 0; n < kColumnTiles; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int column = n * kTileColumns + lane % 4 * 2 + i % 2;
      shared[column * kStride + lane / 4 + i / 2 * 8] = sums[n][i];
    }
  }
}

// Asks the second-level cache for what the block will read in the next layer: the same part of a
// matrix of the same size.
__device__ __forceinline__ void Prefetch(const std::byte* from, int64_t bytes) {
  constexpr int kLine = 128;
#pragma unroll 1
  for (int64_t i = threadIdx.x * kLine; i < bytes; i += blockDim.x * kLine) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(from + i));
  }
}

}  // namespace strided::cuda::product

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_WEIGHTS_CUH_
