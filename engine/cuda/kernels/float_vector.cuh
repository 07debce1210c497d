// Four neighbouring outputs of a row of float32 results, fewer at the row's end.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_FLOAT_VECTOR_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_FLOAT_VECTOR_CUH_

#include <cstdint>

#include "engine/cuda/kernels/wide_product.h"

namespace strided::cuda {

struct FloatVector {
  int count;   // of the four, those that the matrix has; may be negative
  bool whole;  // all four, and aligned

  __device__ __forceinline__ FloatVector(const WideProduct& p, int output)
      : count(min(4, p.matrix.outputs - output)) {
    const bool aligned = p.out_stride % 4 == 0 && reinterpret_cast<uintptr_t>(p.out) % 16 == 0;
    whole = aligned && count == 4;
  }

  __device__ __forceinline__ float4 Read(const float* from) const {
    if (whole) return __ldcg(reinterpret_cast<const float4*>(from));
    return make_float4(__ldcg(from), count > 1 ? __ldcg(from + 1) : 0.0f,
                       count > 2 ? __ldcg(from + 2) : 0.0f, count > 3 ? __ldcg(from + 3) : 0.0f);
  }

  __device__ __forceinline__ void Write(float* to, const float4& y) const {
    if (whole) {
      *reinterpret_cast<float4*>(to) = y;
      return;
    }
    to[0] = y.x;
    if (count > 1) to[1] = y.y;
    if (count > 2) to[2] = y.z;
    if (count > 3) to[3] = y.w;
  }
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_FLOAT_VECTOR_CUH_
