// A warp's share of one query's attention: its tiles' keys, weighted (section 4).
//
// The scores' largest, the sum of the weights 2^(score - largest), and the values' sum by these
// weights, updated tile by tile. Weights enter the product as two bfloat16 columns, a rounded one
// and what it leaves, so that they are as good as float32.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_SOFT_MAXIMUM_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_SOFT_MAXIMUM_CUH_

#include <cstdint>

#include "engine/cuda/cluster/key_tile.cuh"
#include "engine/cuda/cluster/product.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"
#include "engine/cuda/kernels/exponential.cuh"
#include "engine/cuda/kernels/warp_math.cuh"

namespace strided::cuda::cluster {

template <class S>
class SoftMaximum {
 public:
  // The first tile. `count`: of its keys, at least 1; `scores` in units of log2, as KeyTile::Scores
  // gives them.
  __device__ __forceinline__ void Start(const KeyTile<S>& tile, float2 scores, int count,
                                        int lane) {
    scores = Masked(scores, count, lane);
    largest_ = WarpMax(fmaxf(scores.x, scores.y));
    AddWeighted(tile, scores, lane);
  }
  // Another tile.
  __device__ __forceinline__ void Add(const KeyTile<S>& tile, float2 scores, int count, int lane) {
    scores = Masked(scores, count, lane);
    const float largest = fmaxf(largest_, WarpMax(fmaxf(scores.x, scores.y)));
    const float factor = Exp2(largest_ - largest);
    largest_ = largest;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      total_[i] *= factor;
#pragma unroll
      for (int part = 0; part < KeyTile<S>::kOutputTiles; ++part) output_[part][i] *= factor;
    }
    AddWeighted(tile, scores, lane);
  }

  // To shared memory: the output [d_value], not yet divided; to `state` its largest and total.
  __device__ __forceinline__ void Write(uint32_t output, uint32_t state, int lane) const {
    if (lane == 0) Store(state, make_float2(largest_, total_[0] + total_[1]));
    if (lane % 4 != 0) return;
    constexpr int kWords = KeyTile<S>::kValueWords;  // of a lane's vector, each a tile of output
#pragma unroll
    for (int v = 0; v < KeyTile<S>::kValueVectors; ++v) {
      const uint32_t to = output + (lane / 4 * KeyTile<S>::kValueVectors + v) * kWords * 8;
#pragma unroll
      for (int word = 0; word < kWords; word += 2) {
        const float* const first = output_[v * kWords + word];
        const float* const second = output_[v * kWords + word + 1];
        Store(to + word * 8, make_float4(first[0] + first[1], first[2] + first[3],
                                         second[0] + second[1], second[2] + second[3]));
      }
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
  __device__ __forceinline__ void AddWeighted(const KeyTile<S>& tile, float2 scores, int lane) {
    const uint2 weights = Columns(Exp2(scores.x - largest_), Exp2(scores.y - largest_), lane);
    constexpr uint32_t kOnes = 0x3F803F80;
    MultiplyBfloat16(total_, make_uint4(kOnes, kOnes, kOnes, kOnes), weights);
    tile.AddValues(weights, output_);
  }

  // The weights as the B operand: `low` of key g and `high` of key g + 8 are in the lanes (g, 0).
  static __device__ __forceinline__ uint2 Columns(float low, float high, int lane) {
    const int first = lane % 4 * 8;  // the lane of key 2t
    const float a = __shfl_sync(kAll, low, first);
    const float b = __shfl_sync(kAll, low, first + 4);
    const float c = __shfl_sync(kAll, high, first);
    const float d = __shfl_sync(kAll, high, first + 4);
    const uint2 rounded = make_uint2(Bfloat16::Pack(a, b), Bfloat16::Pack(c, d));
    const float2 ab = Bfloat16::Unpack(rounded.x);
    const float2 cd = Bfloat16::Unpack(rounded.y);
    const uint2 rest =
        make_uint2(Bfloat16::Pack(a - ab.x, b - ab.y), Bfloat16::Pack(c - cd.x, d - cd.y));
    const int column = lane / 4;
    return column == 0 ? rounded : column == 1 ? rest : make_uint2(0, 0);
  }

  float largest_ = -INFINITY;
  float total_[4] = {};
  float output_[KeyTile<S>::kOutputTiles][4] = {};
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_SOFT_MAXIMUM_CUH_
