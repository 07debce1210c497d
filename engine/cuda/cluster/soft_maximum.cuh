// A warp's share of one query's attention: its tiles' keys, weighted (section 4).
//
// The scores' largest, the sum of the weights 2^(score - largest), and the values' sum by these
// weights, updated tile by tile. Weights enter the product as two bfloat16 columns, a rounded one
// and what it leaves, so that they are as good as float32.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_SOFT_MAXIMUM_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_SOFT_MAXIMUM_CUH_

#include <cstdint>

#include "engine/cuda/cluster/product.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"
#include "engine/cuda/kernels/exponential.cuh"
#include "engine/cuda/kernels/warp_math.cuh"

namespace strided::cuda::cluster {

// Tile: KeyTile or ByteTile.
template <class Tile>
class SoftMaximum {
 public:
  // The first tile. `count`: of its keys, at least 1, which may have no score in an empty Tile;
  // `scores` in units of log2, as Tile::Scores gives them.
  __device__ __forceinline__ void Start(const Tile& tile, float2 scores, int count, int lane) {
    scores = Masked(scores, count, lane);
    largest_ = WarpMax(fmaxf(scores.x, scores.y));
    if constexpr (Tile::kMayBeEmpty) largest_ = fmaxf(largest_, kLeast);
    AddWeighted(tile, scores, lane);
  }
  // Another tile.
  __device__ __forceinline__ void Add(const Tile& tile, float2 scores, int count, int lane) {
    scores = Masked(scores, count, lane);
    const float largest = fmaxf(largest_, WarpMax(fmaxf(scores.x, scores.y)));
    const float factor = Exp2(largest_ - largest);
    largest_ = largest;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      total_[i] *= factor;
#pragma unroll
      for (int part = 0; part < Tile::kOutputTiles; ++part) output_[part][i] *= factor;
    }
    AddWeighted(tile, scores, lane);
  }

  // To shared memory: the output [d_value], not yet divided; to `state` its largest and total.
  __device__ __forceinline__ void Write(uint32_t output, uint32_t state, int lane) const {
    if (lane == Tile::kTotalLane) Store(state, make_float2(largest_, total_[0] + total_[1]));
    if (lane % 4 != 0) return;
    const uint32_t to = output + lane / 4 * (Tile::kOutputTiles * 8);
#pragma unroll
    for (int part = 0; part < Tile::kOutputTiles; part += 2) {
      const float* const first = output_[part];
      const float* const second = output_[part + 1];
      Store(to + part * 8, make_float4(first[0] + first[1], first[2] + first[3],
                                       second[0] + second[1], second[2] + second[3]));
    }
  }

 private:
  static constexpr uint32_t kAll = 0xFFFFFFFF;

  // The scores of keys that there are, in the lanes that hold them; others have no weight.
  static __device__ __forceinline__ float2 Masked(float2 scores, int count, int lane) {
    const bool holds = lane % 4 == 0;
    return make_float2(holds && lane / 4 < count ? scores.x : -INFINITY,
                       holds && lane / 4 + 8 < count ? scores.y : -INFINITY);
  }
  __device__ __forceinline__ void AddWeighted(const Tile& tile, float2 scores, int lane) {
    const float4 of_inputs = OfInputs(Exp2(scores.x - largest_), Exp2(scores.y - largest_), lane);
    const uint2 weights = tile.Columns(of_inputs, lane);
    constexpr uint32_t kOnes = 0x3F803F80;
    MultiplyBfloat16(total_, make_uint4(kOnes, kOnes, kOnes, kOnes), weights);
    tile.AddValues(weights, output_);
  }

  // Of keys KeyOfInput(0 to 3): `low` of key g and `high` of key g + 8 are in the lanes (g, 0).
  static __device__ __forceinline__ float4 OfInputs(float low, float high, int lane) {
    const int first = lane % 4 * 8;  // the lane of key 2t
    return make_float4(__shfl_sync(kAll, low, first), __shfl_sync(kAll, low, first + 4),
                       __shfl_sync(kAll, high, first), __shfl_sync(kAll, high, first + 4));
  }

  static constexpr float kLeast = -3e38F;  // to subtract from no score

  float largest_ = -INFINITY;
  float total_[4] = {};
  float output_[Tile::kOutputTiles][4] = {};
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_SOFT_MAXIMUM_CUH_
