// A query's own key and value as int8 caches hold them (narrow_row.cuh): rounded by one warp, which
// attends to them and puts them into the cache. Whoever attends to the others does not wait for it.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_OWN_BYTES_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_OWN_BYTES_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/cluster/planned_pair.cuh"
#include "engine/cuda/cluster/product.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"
#include "engine/cuda/kernels/exponential.cuh"
#include "engine/cuda/kernels/narrow_row.cuh"

namespace strided::cuda::cluster {

// By a whole warp: lane l has elements 8 l and on of the key, the lanes after these the value's.
template <class S>
class OwnBytes {
 public:
  static constexpr int kKeyLanes = S::kKey / kNarrowVector;
  static constexpr int kLanes = kKeyLanes + S::kValue / kNarrowVector;
  static_assert(kLanes <= 32);

  // From shared memory, bfloat16; the value follows the key.
  __device__ __forceinline__ OwnBytes(uint32_t key, int lane) : lane_(lane) {
    uint4 vector = make_uint4(0, 0, 0, 0);
    if (lane < kLanes) vector = Load16(key + lane * 16);
    const uint32_t largest = LargestOf(vector);
    const uint32_t of_key = __reduce_max_sync(kAll, IsKey() ? largest : 0);
    const uint32_t of_value = __reduce_max_sync(kAll, IsKey() ? 0 : largest);
    scales_ = make_float2(ScaleOf(of_key), ScaleOf(of_value));
    Narrow(vector, InverseScale(IsKey() ? scales_.x : scales_.y));
  }

  // Adds the own key to the warp's share of the attention: its output and its state, which the warp
  // has written (SoftMaximum::Write). `query`: its two parts; `scale`: of scores.
  __device__ __forceinline__ void Attend(uint32_t query, float scale, uint32_t output,
                                         uint32_t state) const {
    const float score = ProductWith(query) * scales_.x * scale;
    __syncwarp();
    const uint2 bits = Load8(state);
    const float2 before = make_float2(__uint_as_float(bits.x), __uint_as_float(bits.y));
    const float largest = fmaxf(before.x, score);
    const float factor = Exp2(before.x - largest);
    const float weight = Exp2(score - largest);
    if (!IsKey() && lane_ < kLanes) {
      AddFour(output + (lane_ - kKeyLanes) * 32, factor, weight * scales_.y, 0);
      AddFour(output + (lane_ - kKeyLanes) * 32 + 16, factor, weight * scales_.y, 4);
    }
    __syncwarp();
    if (lane_ == 0) Store(state, make_float2(largest, fmaf(factor, before.y, weight)));
  }

  // To a row of the pair's cache.
  __device__ __forceinline__ void Keep(const PlannedPair& pair, int row) const {
    std::byte* const key = pair.keys_at + static_cast<int64_t>(row) * S::kKey;
    std::byte* const value = pair.values_at + static_cast<int64_t>(row) * S::kValue;
    std::byte* const to =
        IsKey() ? key + lane_ * kNarrowVector : value + (lane_ - kKeyLanes) * kNarrowVector;
    if (lane_ < kLanes) __stcg(reinterpret_cast<uint2*>(to), Bytes());
    if (lane_ != 0) return;
    std::byte* const scales = pair.ScalesAt<S>() + static_cast<int64_t>(row) * kRowScaleBytes;
    __stcg(reinterpret_cast<float2*>(scales), scales_);
  }

 private:
  static constexpr uint32_t kAll = 0xFFFFFFFF;

  __device__ __forceinline__ bool IsKey() const { return lane_ < kKeyLanes; }
  // Of the absolute values, as a float32's bits: not a number is above all.
  static __device__ __forceinline__ uint32_t LargestOf(const uint4& vector) {
    constexpr uint32_t kNoSigns = 0x7FFF7FFF;
    const uint32_t low = __vmaxu2(vector.x & kNoSigns, vector.y & kNoSigns);
    const uint32_t high = __vmaxu2(vector.z & kNoSigns, vector.w & kNoSigns);
    const uint32_t pair = __vmaxu2(low, high);
    return max(pair << 16, pair & 0xFFFF0000);
  }

  // largest / 127 to the last bit, for every bfloat16 number but infinity, in fewer cycles.
  static __device__ __forceinline__ float ScaleOf(uint32_t largest) {
    constexpr float kMost = 127;
    constexpr float kInverse = 1 / kMost;
    const float x = __uint_as_float(largest);
    const float nearly = x * kInverse;
    return fmaf(fmaf(-nearly, kMost, x), kInverse, nearly);
  }
  // The nearest whole numbers, as NarrowedVector has them: the last bits of 1.5 x 2^23 more.
  __device__ __forceinline__ void Narrow(const uint4& vector, float inverse) {
    const uint32_t pairs[4] = {vector.x, vector.y, vector.z, vector.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float2 x = Bfloat16::Unpack(pairs[i]);
      shifted_[2 * i] = x.x * inverse + kShift;
      shifted_[2 * i + 1] = x.y * inverse + kShift;
    }
  }
  __device__ __forceinline__ float Element(int i) const { return shifted_[i] - kShift; }
  __device__ __forceinline__ uint2 Bytes() const {
    const auto two = [&](int i) {
      return __byte_perm(__float_as_uint(shifted_[i]), __float_as_uint(shifted_[i + 1]), 0x0040);
    };
    return make_uint2(__byte_perm(two(0), two(2), 0x5410), __byte_perm(two(4), two(6), 0x5410));
  }

  // Of the elements with the query's, in every lane.
  __device__ __forceinline__ float ProductWith(uint32_t query) const {
    float sum = 0;
    if (IsKey()) {
      const uint4 rounded = Load16(query + lane_ * 16);
      const uint4 rest = Load16(query + S::kKey * 2 + lane_ * 16);
      sum = PairProduct(rounded.x, rest.x, 0) + PairProduct(rounded.y, rest.y, 2) +
            PairProduct(rounded.z, rest.z, 4) + PairProduct(rounded.w, rest.w, 6);
    }
#pragma unroll
    for (int distance = kKeyLanes / 2; distance > 0; distance /= 2) {
      sum += __shfl_xor_sync(kAll, sum, distance);
    }
    return __shfl_sync(kAll, sum, 0);
  }
  __device__ __forceinline__ float PairProduct(uint32_t rounded, uint32_t rest, int i) const {
    const float2 a = Bfloat16::Unpack(rounded);
    const float2 b = Bfloat16::Unpack(rest);
    return fmaf(a.x + b.x, Element(i), (a.y + b.y) * Element(i + 1));
  }
  // Elements i to i + 3 of a value by `weight`, to an output by `factor`.
  __device__ __forceinline__ void AddFour(uint32_t output, float factor, float weight,
                                          int i) const {
    const float4 x = LoadFloats(output);
    Store(output, make_float4(fmaf(x.x, factor, Element(i) * weight),
                              fmaf(x.y, factor, Element(i + 1) * weight),
                              fmaf(x.z, factor, Element(i + 2) * weight),
                              fmaf(x.w, factor, Element(i + 3) * weight)));
  }

  static constexpr float kShift = 12582912;

  const int lane_;
  float shifted_[8];  // elements, kShift more
  float2 scales_;     // the key's, the value's
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_OWN_BYTES_CUH_
