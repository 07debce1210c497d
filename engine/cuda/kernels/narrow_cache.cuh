// A head's int8 cache (engine/cache/cache_bytes.h): keys, values, scales.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_NARROW_CACHE_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_NARROW_CACHE_CUH_

#include <cstddef>
#include <cstdint>

namespace strided::cuda {

class NarrowCache {
 public:
  NarrowCache() = default;
  // Of `rows` rows, from `at` on.
  __device__ __forceinline__ NarrowCache(std::byte* at, int64_t rows, int d_key, int d_value)
      : keys_(at),
        values_(keys_ + rows * d_key),
        scales_(reinterpret_cast<float2*>(values_ + rows * d_value)),
        d_key_(d_key),
        d_value_(d_value) {}

  __device__ __forceinline__ const std::byte* keys() const { return keys_; }
  __device__ __forceinline__ const std::byte* values() const { return values_; }
  // Vectors of eight elements.
  __device__ __forceinline__ uint2* KeyAt(int64_t row) const {
    return reinterpret_cast<uint2*>(keys_ + row * d_key_);
  }
  __device__ __forceinline__ uint2* ValueAt(int64_t row) const {
    return reinterpret_cast<uint2*>(values_ + row * d_value_);
  }
  // The key's, then the value's.
  __device__ __forceinline__ float2* ScalesAt(int64_t row) const { return scales_ + row; }

 private:
  std::byte* keys_ = nullptr;
  std::byte* values_ = nullptr;
  float2* scales_ = nullptr;
  int d_key_ = 0;
  int d_value_ = 0;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_NARROW_CACHE_CUH_
