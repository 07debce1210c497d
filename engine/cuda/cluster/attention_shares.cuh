// What the attention warps leave of a pair's output, each its own share, and what becomes of it.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_ATTENTION_SHARES_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_ATTENTION_SHARES_CUH_

#include <cstdint>

#include "engine/cuda/cluster/four_outputs.cuh"
#include "engine/cuda/cluster/shared_memory.h"
#include "engine/cuda/kernels/cluster_exchange.cuh"
#include "engine/cuda/kernels/exponential.cuh"

namespace strided::cuda::cluster {

// In shared memory, by warp: the values' sum by weights 2^(score - the warp's largest), [d_value]
// float32; and a state, that largest score and the sum of the weights.
template <class S>
class AttentionShares {
 public:
  // Place `index` of those from address `places` on.
  __device__ __forceinline__ AttentionShares(uint32_t places, int index)
      : place_(places + index * kShareBytes<S>) {}

  __device__ __forceinline__ uint32_t Output(int warp) const {
    return place_ + warp * (S::kValue * 4);
  }
  __device__ __forceinline__ uint32_t State(int warp) const {
    return place_ + kAttentionWarps * (S::kValue * 4) + warp * 8;
  }

  // The share of a warp without keys.
  __device__ __forceinline__ void LeaveNothing(int warp, int lane) const {
    if (lane == 0) Store(State(warp), make_float2(-INFINITY, 0));
    if (lane * 4 >= S::kValue) return;
    Store(Output(warp) + lane * 16, make_float4(0, 0, 0, 0));
  }

  // Elements `first` to `first` + 3 of the output: the shares, added in the order of the warps.
  // Without keys 0.
  __device__ __forceinline__ uint2 FourOutputs(int first) const {
    float2 states[kAttentionWarps];
    float4 shares[kAttentionWarps];
    float largest = -INFINITY;
#pragma unroll
    for (int w = 0; w < kAttentionWarps; ++w) {
      const uint2 bits = Load8(State(w));
      states[w] = make_float2(__uint_as_float(bits.x), __uint_as_float(bits.y));
      shares[w] = LoadFloats(Output(w) + first * 4);
      largest = fmaxf(largest, states[w].x);
    }
    float total = 0;
    float4 sum = make_float4(0, 0, 0, 0);
#pragma unroll
    for (int w = 0; w < kAttentionWarps; ++w) {
      const float factor = Exp2(states[w].x - largest);
      total = fmaf(factor, states[w].y, total);
      sum.x = fmaf(factor, shares[w].x, sum.x);
      sum.y = fmaf(factor, shares[w].y, sum.y);
      sum.z = fmaf(factor, shares[w].z, sum.z);
      sum.w = fmaf(factor, shares[w].w, sum.w);
    }
    if (largest == -INFINITY) return make_uint2(0, 0);
    const float inverse = __fdividef(1.0F, total);
    return PackFour(
        make_float4(sum.x * inverse, sum.y * inverse, sum.z * inverse, sum.w * inverse));
  }

 private:
  const uint32_t place_;
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_ATTENTION_SHARES_CUH_
