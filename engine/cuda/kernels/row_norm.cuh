// Layer norm of one row by one warp (Ba et al. 2016), in float32: mean, then the variance around
// it, then (x - mean) / sqrt(variance + epsilon) * weight + bias.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ROW_NORM_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ROW_NORM_CUH_

#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda {

// The sum over the warp's lanes, in every lane; one order.
__device__ __forceinline__ float WarpSum(float value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(0xFFFFFFFFu, value, distance);
  }
  return value;
}

namespace row_norm {

// A row of up to 128 * kVectors floats, whole vectors of 4, held in registers: one read of memory.
template <int kVectors, typename Store>
__device__ __forceinline__ void NormaliseHeld(const float* row, int width, const DeviceNorm& norm,
                                              int begin, int end, Store&& store) {
  const int lane = threadIdx.x % 32;
  const auto vector_of = [&](int v) { return (v * 32 + lane) * 4; };
  float4 x[kVectors];
  float sum = 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const bool inside = vector_of(v) < width;
    x[v] = inside ? __ldcg(reinterpret_cast<const float4*>(row + vector_of(v)))
                  : make_float4(0, 0, 0, 0);
    sum += (x[v].x + x[v].y) + (x[v].z + x[v].w);
  }
  const float mean = WarpSum(sum) / static_cast<float>(width);
  float squares = 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (vector_of(v) >= width) continue;
    const float a = x[v].x - mean, b = x[v].y - mean, c = x[v].z - mean, d = x[v].w - mean;
    squares += (a * a + b * b) + (c * c + d * d);
  }
  const float variance = WarpSum(squares) / static_cast<float>(width);
  const float inverse = 1.0f / sqrtf(variance + norm.epsilon);
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int i = vector_of(v);
    if (i < begin || i >= end) continue;
    const float4 weight = __ldg(reinterpret_cast<const float4*>(norm.weight + i));
    const float4 bias = __ldg(reinterpret_cast<const float4*>(norm.bias + i));
    store(i, (x[v].x - mean) * inverse * weight.x + bias.x);
    store(i + 1, (x[v].y - mean) * inverse * weight.y + bias.y);
    store(i + 2, (x[v].z - mean) * inverse * weight.z + bias.z);
    store(i + 3, (x[v].w - mean) * inverse * weight.w + bias.w);
  }
}

// A row of any width, read three times.
template <typename Store>
__device__ __forceinline__ void NormaliseRead(const float* row, int width, const DeviceNorm& norm,
                                              int begin, int end, Store&& store) {
  const int lane = threadIdx.x % 32;
  float sum = 0;
  for (int i = lane; i < width; i += 32) sum += __ldcg(row + i);
  const float mean = WarpSum(sum) / static_cast<float>(width);
  float squares = 0;
  for (int i = lane; i < width; i += 32) {
    const float difference = __ldcg(row + i) - mean;
    squares += difference * difference;
  }
  const float inverse = 1.0f / sqrtf(WarpSum(squares) / static_cast<float>(width) + norm.epsilon);
  for (int i = begin + lane; i < end; i += 32) {
    store(i, (__ldcg(row + i) - mean) * inverse * norm.weight[i] + norm.bias[i]);
  }
}

}  // namespace row_norm

// Calls store(i, y[i]) for begin <= i < end, y = norm(row); the row as it is where the norm has no
// weight. By a whole warp. Which of the ways is taken depends on `width` alone. Rows and vectors of
// a width that is a multiple of 4 are aligned to 16 bytes; begin and end are then multiples of 4.
template <typename Store>
__device__ __forceinline__ void NormaliseRow(const float* row, int width, const DeviceNorm& norm,
                                             int begin, int end, Store&& store) {
  if (norm.weight == nullptr) {
    for (int i = begin + threadIdx.x % 32; i < end; i += 32) store(i, __ldcg(row + i));
  } else if (width % 4 != 0 || width > 1024) {
    row_norm::NormaliseRead(row, width, norm, begin, end, store);
  } else if (width <= 256) {
    row_norm::NormaliseHeld<2>(row, width, norm, begin, end, store);
  } else if (width <= 512) {
    row_norm::NormaliseHeld<4>(row, width, norm, begin, end, store);
  } else {
    row_norm::NormaliseHeld<8>(row, width, norm, begin, end, store);
  }
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ROW_NORM_CUH_
