// What becomes of four outputs in a row: the MLP's activation, and bfloat16.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_FOUR_OUTPUTS_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_FOUR_OUTPUTS_CUH_

#include "engine/cuda/cluster/product.cuh"
#include "engine/cuda/kernels/activation.cuh"

namespace strided::cuda::cluster {

// Not inlined: a layer's instructions should stay few.
__device__ __noinline__ inline float4 ActivateExactly(Activation activation, float4 x) {
  return make_float4(Activate(activation, x.x), Activate(activation, x.y),
                     Activate(activation, x.z), Activate(activation, x.w));
}

// quick_gelu(x) = x / (1 + exp(-1.702 x)) = x/2 (1 + tanh(0.851 x)), by an instruction whose error
// is below bfloat16's.
__device__ __forceinline__ float QuickGelu(float x) {
  float tangent;
  asm("tanh.approx.f32 %0, %1;" : "=f"(tangent) : "f"(0.851F * x));
  return fmaf(0.5F * x, tangent, 0.5F * x);
}

// f.
template <int kTiles>
__device__ __forceinline__ void ActivateAll(Activation activation, float4 (&x)[kTiles]) {
  if (activation == Activation::kQuickGelu) {
#pragma unroll
    for (int i = 0; i < kTiles; ++i) {
      x[i] =
          make_float4(QuickGelu(x[i].x), QuickGelu(x[i].y), QuickGelu(x[i].z), QuickGelu(x[i].w));
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kTiles; ++i) x[i] = ActivateExactly(activation, x[i]);
}

__device__ __forceinline__ uint2 PackFour(float4 x) {
  return make_uint2(Bfloat16::Pack(x.x, x.y), Bfloat16::Pack(x.z, x.w));
}
// What is left of x when it has been packed.
__device__ __forceinline__ float4 RestOf(float4 x, uint2 packed) {
  const float2 low = Bfloat16::Unpack(packed.x);
  const float2 high = Bfloat16::Unpack(packed.y);
  return make_float4(x.x - low.x, x.y - low.y, x.z - high.x, x.w - high.y);
}

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_FOUR_OUTPUTS_CUH_
