// Powers of two as the multiprocessor's special units give them.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_EXPONENTIAL_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_EXPONENTIAL_CUH_

namespace strided::cuda {

inline constexpr float kLog2OfE = 1.44269504f;

// 2^x within two units of the last place; 0 where that is no normal number.
__device__ __forceinline__ float Exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_EXPONENTIAL_CUH_
