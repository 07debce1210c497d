// What a block's warps share in products, and how a tile of outputs comes of their sums.

#ifndef STRIDED_ENGINE_CUDA_GRID_PRODUCT_MEMORY_CUH_
#define STRIDED_ENGINE_CUDA_GRID_PRODUCT_MEMORY_CUH_

#include <cstdint>

#include "engine/cuda/grid/grid_sizes.h"
#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/product_weights.cuh"

namespace strided::cuda::grid {

inline constexpr int kSumStride = kTileOutputs + product::kSumPadding;

inline constexpr int kLayersAhead = 2;  // whose weights are in shared memory, or on their way

// Groups of a thread's copies that may still be on their way when a stage begins: those of later
// layers' weights and keys (grid_kernel.cuh has the order).
inline constexpr int kLaterCopies = 3;

// A warp's groups of one product's tile, of two layers: every lane copies what it will read itself.
// After each copy of a lane it pauses for kPause nanoseconds, where there is time: what all blocks
// ask for at once is in the way of what they tell each other.
template <WeightFormat kFormat, int kRounds, int kPause>
class WeightRing {
 public:
  using Weights = product::GroupWeights<kFormat>;
  struct Memory {
    uint4 units[kLayersAhead][kRounds * Weights::kUnits][kThreads];
  };

  __device__ __forceinline__ WeightRing(Memory& memory, int thread)
      : memory_(memory), thread_(thread) {}

  // Asks for the groups first_group, first_group + step, ... of the layer's tile. The caller
  // commits the copies.
  __device__ __forceinline__ void Fetch(const DeviceMatrix& matrix, int tile, int first_group,
                                        int step, int layer) const {
    using Unit = typename Weights::Unit;
    const int steps = PackedSteps(matrix.inputs);
#pragma unroll
    for (int i = 0; i < kRounds * Weights::kUnits; ++i) {
      const int group = first_group + i / Weights::kUnits * step;
      const int at = group * product::kGroupSteps + i % Weights::kUnits * Unit::kSteps;
      CopyAsync(SharedAddress(&memory_.units[layer % kLayersAhead][i][thread_]),
                Unit::Address(matrix.weights, tile, at, steps, thread_ % 32), /*valid=*/true);
      if constexpr (kPause > 0) __nanosleep(kPause);
    }
  }
  // After the wait for the copies.
  __device__ __forceinline__ Weights Read(int round, int layer) const {
    Weights weights;
#pragma unroll
    for (int i = 0; i < Weights::kUnits; ++i) {
      weights.units[i] = memory_.units[layer % kLayersAhead][round * Weights::kUnits + i][thread_];
    }
    return weights;
  }

 private:
  Memory& memory_;
  int thread_;
};

template <class S, WeightFormat kFormatOf, Operand kOperandOf>
struct NormMemory {
  static constexpr WeightFormat kFormat = kFormatOf;
  static constexpr Operand kOperand = kOperandOf;
  using Type = typename OperandTraits<kOperand>::Type;
  using Ring = WeightRing<kFormat, 1, S::kPause>;

  // Of qkv and up.
  typename Ring::Memory weights[2];
  __align__(16) Type normed[2][product::kTileColumns][S::kModel + product::kRowPadding];
  __align__(16) float rows[product::kTileColumns][S::kModel];  // the residual stream
  __align__(16) float norm[2][kLayersAhead][2][S::kModel];     // weight, bias
  // [warp][column][output], as ShareSums leaves them.
  float sums[kWarps][product::kTileColumns * kSumStride];
};

template <class Stage, WeightFormat kFormatOf, Operand kOperandOf>
struct SumMemory {
  static constexpr WeightFormat kFormat = kFormatOf;
  static constexpr Operand kOperand = kOperandOf;
  using Ring = WeightRing<kFormat, Stage::kRounds, Stage::kPause>;

  typename Ring::Memory weights;
  float sums[kWarps][product::kTileColumns * kSumStride];  // as above
};

inline constexpr int kFirstTeamBarrier = 1;  // 0 is the block's

// A team of kTeamWarps of the block's warps, which share the inputs of one tile of outputs. A
// warp's sums are those of one warp of decode_product.h; a thread of the first ones finishes one
// output of one row.
template <int kTeamWarps>
struct Team {
  int warp;  // of the block's
  int lane;
  int index;   // of the block's teams
  int member;  // of the team's warps
  int within;  // the thread's output of the tile
  int row;     // and row, if there is one

  __device__ __forceinline__ explicit Team(int thread)
      : warp(thread / 32),
        lane(thread % 32),
        index(warp / kTeamWarps),
        member(warp % kTeamWarps),
        within(thread % kTileOutputs),
        row(thread % (32 * kTeamWarps) / kTileOutputs) {}
  __device__ __forceinline__ void ForgetPlaces() {
    Forget(warp);
    Forget(lane);
    Forget(member);
    Forget(row);
  }

  __device__ __forceinline__ void Sync() const {
    SyncThreads(kFirstTeamBarrier + index, 32 * kTeamWarps);
  }
  // The output's sum over the team's warps in their order. Behind Sync.
  template <class Memory>
  __device__ __forceinline__ float SumOf(const Memory& memory) const {
    float of_warp[kTeamWarps];  // read together, added in order
#pragma unroll
    for (int w = 0; w < kTeamWarps; ++w) {
      of_warp[w] = memory.sums[index * kTeamWarps + w][row * kSumStride + within];
    }
    float sum = 0;
#pragma unroll
    for (const float part : of_warp) sum += part;
    return sum;
  }
};

// What an output's sum becomes: fmaf(sum, scale, bias).
struct OutputScale {
  float scale = 1;
  float bias = 0;

  __device__ __forceinline__ void Fetch(const DeviceMatrix& matrix, int output) {
    if (matrix.scales != nullptr) scale = __ldg(matrix.scales + output);
    if (matrix.bias != nullptr) bias = __ldg(matrix.bias + output);
  }
  __device__ __forceinline__ float Of(float sum) const { return fmaf(sum, scale, bias); }
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_PRODUCT_MEMORY_CUH_
