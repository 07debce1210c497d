// Arithmetic of a warp that several kernels share.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_WARP_MATH_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_WARP_MATH_CUH_

namespace strided::cuda {

// The largest over the warp's lanes, in every lane.
__device__ __forceinline__ float WarpMax(float value) {
  // Integers in the order of floats: negative ones count down.
  const int bits = __float_as_int(value);
  const int ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF);
  const int largest = __reduce_max_sync(0xFFFFFFFFu, ordered);
  return __int_as_float(largest ^ ((largest >> 31) & 0x7FFFFFFF));
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_WARP_MATH_CUH_
