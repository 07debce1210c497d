// A query over int8 caches: its elements as whole numbers, and its own key and value.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_BYTE_QUERY_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_BYTE_QUERY_CUH_

#include <cstdint>

#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/byte_tile.cuh"
#include "engine/cuda/kernels/narrow_cache.cuh"
#include "engine/cuda/kernels/narrow_row.cuh"

namespace strided::cuda::attention {

// The query as columns of bytes, kSteps of 32 elements: x = unit * number. After the wait.
template <int kSteps>
struct QueryBytes {
  uint32_t words[kSteps][2];
  float unit;

  __device__ __forceinline__ QueryBytes(const DecodeAttention& a, const Query& query, int lane) {
    const float* const from = a.queries + query.IndexIn(a) * a.d_key;
    float4 read[kSteps][2];
    uint32_t largest = 0;  // of the absolute values, as bits: not a number is above all
#pragma unroll
    for (int i = 0; i < kSteps * 2; ++i) {
      const int at = i * 16 + lane % 4 * 4;
      float4& x = read[i / 2][i % 2];
      x = make_float4(0, 0, 0, 0);
      if (at < a.d_key) x = __ldcg(reinterpret_cast<const float4*>(from + at));
      largest = max(max(max(largest, Bits(x.x)), Bits(x.y)), max(Bits(x.z), Bits(x.w)));
    }
    const float most = __uint_as_float(__reduce_max_sync(0xFFFFFFFFu, largest));
    const float inverse = most > 0 ? kMostSigned / most : 0;
    const bool is_high = lane / 4 % 2 == 0;
    const auto digit = [&](float x) { return SignedByte(__float2int_rn(x * inverse), is_high); };
#pragma unroll
    for (int i = 0; i < kSteps * 2; ++i) {
      const float4 x = read[i / 2][i % 2];
      words[i / 2][i % 2] = PackBytes(digit(x.x), digit(x.y), digit(x.z), digit(x.w));
    }
    unit = most / kMostSigned;
  }

 private:
  static __device__ __forceinline__ uint32_t Bits(float x) { return __float_as_uint(fabsf(x)); }
};

// A query's own key and value, elements and scales: the lane's eight of each.
struct OwnKey {
  uint2 key = {};
  uint2 value = {};
  float2 scales = {};

  // By the whole warp.
  template <class Row>
  __device__ __forceinline__ OwnKey(const Row& key_row, const Row& value_row)
      : scales(make_float2(key_row.Scale(), value_row.Scale())) {
    key_row.ForEach(scales.x, [&](int, uint2 elements) { key = elements; });
    value_row.ForEach(scales.y, [&](int, uint2 elements) { value = elements; });
  }

  // To the cache.
  __device__ __forceinline__ void Store(const DecodeAttention& a, const Query& query,
                                        const NarrowCache& cache, int lane) const {
    const int homes[2] = {query.layout.Home(query.position, query.length),
                          query.layout.SecondHome(query.position, query.length)};
    for (const int home : homes) {
      if (home < 0) continue;
      if (lane * kNarrowVector < a.d_key) cache.KeyAt(home)[lane] = key;
      if (lane * kNarrowVector < a.d_value) cache.ValueAt(home)[lane] = value;
      if (lane == 0) *cache.ScalesAt(home) = scales;
    }
  }
};

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_BYTE_QUERY_CUH_
