// Keys and values of the int8 caches: a row as x = scale * element, the largest +-127.
//
// A row is handled by some lanes of a warp, which take vectors of eight elements in turns. What a
// row is made of is of the operand's type; the scale and the elements follow from it alone. They
// are off by half a scale at the most, a part in 254 of the row's largest.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_NARROW_ROW_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_NARROW_ROW_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/fragments.cuh"

namespace strided::cuda {

inline constexpr int kNarrowVector = 8;  // elements

// A vector of elements as scale * element, rounded to the operand's type.
template <Operand kOperand>
__device__ __forceinline__ uint4 WidenedVector(uint2 elements, float scale) {
  const auto pair = [&](uint32_t four, int i) {
    const float low = static_cast<float>(static_cast<int8_t>(four >> (16 * i)));
    const float high = static_cast<float>(static_cast<int8_t>(four >> (16 * i + 8)));
    return OperandTraits<kOperand>::Pack(low * scale, high * scale);
  };
  return make_uint4(pair(elements.x, 0), pair(elements.x, 1), pair(elements.y, 0),
                    pair(elements.y, 1));
}

// The nearest elements, for x / scale = x * inverse.
template <Operand kOperand>
__device__ __forceinline__ uint2 NarrowedVector(const uint4& vector, float inverse) {
  const auto two = [&](uint32_t pair) {
    const float2 x = OperandTraits<kOperand>::Unpack(pair);
    const int low = __float2int_rn(x.x * inverse);
    const int high = __float2int_rn(x.y * inverse);
    return (static_cast<uint32_t>(low) & 0xFF) | (static_cast<uint32_t>(high) & 0xFF) << 8;
  };
  return make_uint2(two(vector.x) | two(vector.y) << 16, two(vector.z) | two(vector.w) << 16);
}

// 1 / scale; 0 where the row is zeros.
__device__ __forceinline__ float InverseScale(float scale) { return scale > 0 ? 1 / scale : 0; }

// A row of `width` elements in the registers of kLanes lanes.
template <Operand kOperand, int kLanes>
class NarrowRow {
 public:
  // Reads it. Requires a multiple of 8 up to 256; 0 for lanes that have no row.
  __device__ __forceinline__ NarrowRow(const std::byte* from, int width)
      : vectors_(width / kNarrowVector) {
#pragma unroll
    for (int i = 0; i < kTurns; ++i) {
      row_[i] = make_uint4(0, 0, 0, 0);
      if (VectorOf(i) < vectors_) {
        row_[i] = __ldcg(reinterpret_cast<const uint4*>(from) + VectorOf(i));
      }
    }
  }

  // By whole warps.
  __device__ __forceinline__ float Scale() const {
    uint32_t largest = 0;  // of the absolute values, as bits: not a number is above all
#pragma unroll
    for (const uint4& vector : row_) {
      const uint32_t pairs[4] = {vector.x, vector.y, vector.z, vector.w};
#pragma unroll
      for (const uint32_t pair : pairs) {
        const float2 x = OperandTraits<kOperand>::Unpack(pair);
        largest = max(largest, max(__float_as_uint(fabsf(x.x)), __float_as_uint(fabsf(x.y))));
      }
    }
#pragma unroll
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
      largest = max(largest, __shfl_xor_sync(0xFFFFFFFFu, largest, distance));
    }
    constexpr float kMost = 127;
    return __uint_as_float(largest) / kMost;
  }

  // The lane's vectors of elements by the row's scale: `store(number, elements)`.
  template <typename Store>
  __device__ __forceinline__ void ForEach(float scale, Store&& store) const {
    const float inverse = InverseScale(scale);
#pragma unroll
    for (int i = 0; i < kTurns; ++i) {
      if (VectorOf(i) < vectors_) store(VectorOf(i), NarrowedVector<kOperand>(row_[i], inverse));
    }
  }

 private:
  static constexpr int kTurns = 256 / kNarrowVector / kLanes;
  static __device__ __forceinline__ int VectorOf(int turn) {
    return static_cast<int>(threadIdx.x) % kLanes + turn * kLanes;
  }

  const int vectors_;
  uint4 row_[kTurns];
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_NARROW_ROW_CUH_
