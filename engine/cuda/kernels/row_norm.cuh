// Layer norm of rows by one warp (Ba et al. 2016), in float32: mean, then the variance around it,
// then (x - mean) / sqrt(variance + epsilon) * weight + bias; with a mean_share of 0 as if the mean
// were 0. What is fused and what is rounded between is written out, so that all kernels give the
// same bits.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ROW_NORM_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ROW_NORM_CUH_

#include <cstdint>

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

// The widest row that NormaliseHeld takes.
inline constexpr int kHeldWidth = 1024;

// Whether a row of `width` goes through NormaliseHeld: whole vectors of 4 floats, few enough for
// registers. The way is chosen by the width alone.
__host__ __device__ constexpr bool IsHeld(int width) {
  return width % 4 == 0 && width <= kHeldWidth;
}

// The moments of a row of which lane l has the four elements x[v] from (v * 32 + l) * 4 on, zeros
// beyond `width`: the mean, or 0, and 1 / sqrt(variance + epsilon). In every lane.
template <int kVectors>
__device__ __forceinline__ float MeanOf(const float4 (&x)[kVectors], int width, float mean_share) {
  const float inverse_width = 1.0f / static_cast<float>(width);
  float sum = 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) sum += (x[v].x + x[v].y) + (x[v].z + x[v].w);
  return __fmul_rn(WarpSum(sum) * inverse_width, mean_share);
}
template <int kVectors>
__device__ __forceinline__ float FactorOf(const float4 (&x)[kVectors], float mean, int width,
                                          float epsilon) {
  const float inverse_width = 1.0f / static_cast<float>(width);
  float squares = 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if ((v * 32 + static_cast<int>(threadIdx.x) % 32) * 4 >= width) continue;
    const float a = x[v].x - mean, b = x[v].y - mean;
    const float c = x[v].z - mean, d = x[v].w - mean;
    squares += fmaf(a, a, __fmul_rn(b, b)) + fmaf(c, c, __fmul_rn(d, d));
  }
  return rsqrtf(fmaf(WarpSum(squares), inverse_width, epsilon));
}
__device__ __forceinline__ float4 Normalised(const float4& x, float mean, float factor,
                                             const float4& weight, const float4& bias) {
  return make_float4(
      fmaf((x.x - mean) * factor, weight.x, bias.x), fmaf((x.y - mean) * factor, weight.y, bias.y),
      fmaf((x.z - mean) * factor, weight.z, bias.z), fmaf((x.w - mean) * factor, weight.w, bias.w));
}

// Calls store(r, i, y) with the four elements y[i..i+3] of row r, for r < count and begin <= i <
// end, multiples of 4. x[r][v]: the lane's four elements of row r from (v * 32 + lane) * 4 on,
// zeros beyond `width`, up to 128 * kVectors; kRows rows are worked on together, so that their
// latencies overlap. Requires 1 <= count <= kRows; `norm.weight` and `norm.bias` may lie in shared
// memory.
template <int kVectors, int kRows, typename Store>
__device__ __forceinline__ void NormaliseVectors(const float4 (&x)[kRows][kVectors], int count,
                                                 int width, const DeviceNorm& norm, int begin,
                                                 int end, Store&& store) {
  const int lane = threadIdx.x % 32;
  const auto vector_of = [&](int v) { return (v * 32 + lane) * 4; };
  float mean[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) mean[r] = MeanOf(x[r], width, norm.mean_share);
  float factor[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) factor[r] = FactorOf(x[r], mean[r], width, norm.epsilon);
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int i = vector_of(v);
    if (i < begin || i >= end) continue;
    const float4 weight = *reinterpret_cast<const float4*>(norm.weight + i);
    const float4 bias = *reinterpret_cast<const float4*>(norm.bias + i);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      if (r >= count) continue;
      store(r, i, Normalised(x[r][v], mean[r], factor[r], weight, bias));
    }
  }
}

// The same for rows in memory, each read once and held in registers. Row r starts at rows + r *
// stride.
template <int kVectors, int kRows, typename Store>
__device__ __forceinline__ void NormaliseHeld(const float* rows, int64_t stride, int count,
                                              int width, const DeviceNorm& norm, int begin, int end,
                                              Store&& store) {
  const int lane = threadIdx.x % 32;
  const auto vector_of = [&](int v) { return (v * 32 + lane) * 4; };
  float4 x[kRows][kVectors];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const bool inside = r < count && vector_of(v) < width;
      x[r][v] = inside ? __ldcg(reinterpret_cast<const float4*>(rows + r * stride + vector_of(v)))
                       : make_float4(0, 0, 0, 0);
    }
  }
  NormaliseVectors<kVectors, kRows>(x, count, width, norm, begin, end, store);
}

// Calls store(i, y[i]) for begin <= i < end of one row of any width, which is read three times.
template <typename Store>
__device__ __forceinline__ void NormaliseRead(const float* row, int width, const DeviceNorm& norm,
                                              int begin, int end, Store&& store) {
  const int lane = threadIdx.x % 32;
  float sum = 0;
#pragma unroll 1
  for (int i = lane; i < width; i += 32) sum += __ldcg(row + i);
  const float mean = __fmul_rn(__fdiv_rn(WarpSum(sum), static_cast<float>(width)), norm.mean_share);
  float squares = 0;
#pragma unroll 1
  for (int i = lane; i < width; i += 32) {
    const float difference = __ldcg(row + i) - mean;
    squares = fmaf(difference, difference, squares);
  }
  const float factor = rsqrtf(WarpSum(squares) / static_cast<float>(width) + norm.epsilon);
#pragma unroll 1
  for (int i = begin + lane; i < end; i += 32) {
    store(i, fmaf((__ldcg(row + i) - mean) * factor, norm.weight[i], norm.bias[i]));
  }
}

// Calls store(i, y[i]), or store_four(i, y[i..i+3]) with i a multiple of 4, for begin <= i < end,
// y = norm(row); the row as it is where the norm has no weight. By a whole warp. Rows and vectors
// of a width that is a multiple of 4 are aligned to 16 bytes; begin and end are then multiples
// of 4.
template <typename Store, typename StoreFour>
__device__ __forceinline__ void NormaliseRow(const float* row, int width, const DeviceNorm& norm,
                                             int begin, int end, Store&& store,
                                             StoreFour&& store_four) {
  const auto store_held = [&](int, int i, const float4& y) { store_four(i, y); };
  if (norm.weight == nullptr) {
    for (int i = begin + threadIdx.x % 32; i < end; i += 32) store(i, __ldcg(row + i));
  } else if (!IsHeld(width)) {
    NormaliseRead(row, width, norm, begin, end, store);
  } else if (width <= 256) {
    NormaliseHeld<2, 1>(row, 0, 1, width, norm, begin, end, store_held);
  } else if (width <= 512) {
    NormaliseHeld<4, 1>(row, 0, 1, width, norm, begin, end, store_held);
  } else {
    NormaliseHeld<8, 1>(row, 0, 1, width, norm, begin, end, store_held);
  }
}

// The same, one element at a time.
template <typename Store>
__device__ __forceinline__ void NormaliseRow(const float* row, int width, const DeviceNorm& norm,
                                             int begin, int end, Store&& store) {
  NormaliseRow(row, width, norm, begin, end, store, [&](int i, const float4& y) {
    store(i, y.x);
    store(i + 1, y.y);
    store(i + 2, y.z);
    store(i + 3, y.w);
  });
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ROW_NORM_CUH_
