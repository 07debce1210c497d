// The weights of a decode product: two groups of a warp in registers, fetched before they are
// needed, and their products with the staged columns.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_WEIGHTS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_WEIGHTS_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/async_copy.cuh"
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

// The B operand of a group's steps, in registers: columns of staged inputs. `staged` points to the
// group's first input of column 0, `stride` is a multiple of 8 elements. Columns that have not been
// staged are anything: no sum runs over columns.
template <int kColumnTiles>
struct GroupColumns {
  uint32_t b[kGroupSteps][kColumnTiles][2];

  GroupColumns() = default;
  template <typename Type>
  __device__ __forceinline__ GroupColumns(const Type* staged, int stride, int lane) {
    if constexpr (kColumnTiles == 1) {
      // Matrices of 8 columns: the two of a step, then those of the next one.
      const uint32_t at = SharedAddress(staged + lane % 8 * stride + lane / 8 * 8);
#pragma unroll
      for (int step = 0; step < kGroupSteps; step += 2) {
        uint32_t m[4];
        LoadMatrices(m, at + step * (kStepInputs * 2));
        b[step][0][0] = m[0];
        b[step][0][1] = m[1];
        b[step + 1][0][0] = m[2];
        b[step + 1][0][1] = m[3];
      }
    } else {
      // The two of a step, for two tiles of columns.
      const int column = lane / 16 * kTileColumns + lane % 8;
      const uint32_t at = SharedAddress(staged + column * stride + lane / 8 % 2 * 8);
#pragma unroll
      for (int step = 0; step < kGroupSteps; ++step) {
#pragma unroll
        for (int n = 0; n < kColumnTiles; n += 2) {
          uint32_t m[4];
          LoadMatrices(m, at + (n * kTileColumns * stride + step * kStepInputs) * 2);
          b[step][n][0] = m[0];
          b[step][n][1] = m[1];
          b[step][n + 1][0] = m[2];
          b[step][n + 1][1] = m[3];
        }
      }
    }
  }
};

// sums += the group's outputs for the columns.
template <WeightFormat kFormat, Operand kOperand, int kColumnTiles>
__device__ __forceinline__ void MultiplyGroup(const GroupWeights<kFormat>& weights,
                                              const GroupColumns<kColumnTiles>& columns,
                                              float (&sums)[kColumnTiles][4]) {
  using Unit = WeightUnit<kFormat>;
#pragma unroll
  for (int step = 0; step < kGroupSteps; ++step) {
    uint32_t a[4];
    Unit::Fragment(weights.units[step / Unit::kSteps], step % Unit::kSteps, a);
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
      MultiplyTile<kOperand>(sums[n], a, columns.b[step][n][0], columns.b[step][n][1]);
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
