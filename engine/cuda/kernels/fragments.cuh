// Tensor-core products: mma.m16n8k16 with float32 sums, and weights as its A operand.
//
// Shapes and lanes as in engine/cuda/kernels/weight_packing.h. The B operand holds 8 columns
// (sequences, or positions of one) of 16 inputs: lane 4 g + t has inputs 2t, 2t+1 (b0) and 2t+8,
// 2t+9 (b1) of column g. The sums: d0, d1 of output g and columns 2t, 2t+1; d2, d3 of output g+8.
// Each column's sums depend on that column alone.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_FRAGMENTS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_FRAGMENTS_CUH_

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cstdint>

#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda {

template <Operand kOperand>
struct OperandTraits;

template <>
struct OperandTraits<Operand::kBfloat16> {
  using Type = __nv_bfloat16;
  static __device__ Type From(float value) { return __float2bfloat16_rn(value); }
  static __device__ float ToFloat(Type value) { return __bfloat162float(value); }
  // Two elements of one register, the lower half first.
  static __device__ float2 Unpack(uint32_t pair) {
    return {__uint_as_float(pair << 16), __uint_as_float(pair & 0xFFFF0000u)};
  }
  static __device__ uint32_t Pack(float low, float high) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<const uint32_t*>(&pair);
  }
};

template <>
struct OperandTraits<Operand::kFloat16> {
  using Type = __half;
  static __device__ Type From(float value) { return __float2half_rn(value); }
  static __device__ float ToFloat(Type value) { return __half2float(value); }
  static __device__ float2 Unpack(uint32_t pair) {
    return __half22float2(*reinterpret_cast<const __half2*>(&pair));
  }
  static __device__ uint32_t Pack(float low, float high) {
    const __half2 pair = __floats2half2_rn(low, high);
    return *reinterpret_cast<const uint32_t*>(&pair);
  }
};

template <>
struct OperandTraits<Operand::kFloat32> {
  using Type = float;
  static __device__ Type From(float value) { return value; }
  static __device__ float ToFloat(Type value) { return value; }
};

// d += a b.
template <Operand kOperand>
__device__ __forceinline__ void MultiplyTile(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                             uint32_t b1) {
  if constexpr (kOperand == Operand::kBfloat16) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    static_assert(kOperand == Operand::kFloat16, "float32 has no tensor-core product here");
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

template <WeightFormat kFormat>
struct WeightTraits {
  static constexpr int kBytes = kFormat == WeightFormat::kFloat32 ? 4
                                : kFormat == WeightFormat::kInt8 || kFormat == WeightFormat::kFloat8
                                    ? 1
                                    : 2;
};

// What a lane reads of a packed matrix at a time: 16 bytes, kSteps steps of one tile.
template <WeightFormat kFormat>
struct WeightUnit {
  static constexpr int kSteps =
      kFormat == WeightFormat::kInt8 || kFormat == WeightFormat::kFloat8 ? 2 : 1;

  // Where the unit of (tile, step) starts for `lane`; `steps` are the matrix's. Requires step to be
  // a multiple of kSteps.
  static __device__ __forceinline__ const uint4* Address(const std::byte* weights, int tile,
                                                         int step, int steps, int lane) {
    const int64_t unit = (static_cast<int64_t>(tile) * steps + step) / kSteps;
    return reinterpret_cast<const uint4*>(weights) + unit * 32 + lane;
  }

  // The A operand of the unit's step `index`, in the operand's type; scales are applied to sums.
  static __device__ __forceinline__ void Fragment(const uint4& unit, int index, uint32_t (&a)[4]) {
    if constexpr (kSteps == 1) {
      a[0] = unit.x;
      a[1] = unit.y;
      a[2] = unit.z;
      a[3] = unit.w;
    } else {
      const uint32_t low = index == 0 ? unit.x : unit.z;
      const uint32_t high = index == 0 ? unit.y : unit.w;
      Widen(low, a[0], a[1]);
      Widen(high, a[2], a[3]);
    }
  }

 private:
  // Four 8-bit elements to four bfloat16; exact.
  static __device__ __forceinline__ void Widen(uint32_t four, uint32_t& first, uint32_t& second) {
    using Traits = OperandTraits<Operand::kBfloat16>;
    if constexpr (kFormat == WeightFormat::kInt8) {
      const auto byte = [four](int i) {
        return static_cast<float>(static_cast<int8_t>(four >> (8 * i)));
      };
      first = Traits::Pack(byte(0), byte(1));
      second = Traits::Pack(byte(2), byte(3));
    } else {
      const auto pair = [](uint32_t two) {
        const __half2_raw raw =
            __nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(two), __NV_E4M3);
        return __half22float2(__half2(raw));
      };
      const float2 low = pair(four & 0xFFFFu);
      const float2 high = pair(four >> 16);
      first = Traits::Pack(low.x, low.y);
      second = Traits::Pack(high.x, high.y);
    }
  }
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_FRAGMENTS_CUH_
