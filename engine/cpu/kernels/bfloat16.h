// bfloat16: the upper half of a float32.

#ifndef STRIDED_ENGINE_CPU_KERNELS_BFLOAT16_H_
#define STRIDED_ENGINE_CPU_KERNELS_BFLOAT16_H_

#include <bit>
#include <cstdint>

namespace strided {

using Bfloat16 = uint16_t;  // its bits

// The nearest bfloat16, ties to even; a NaN stays one.
inline Bfloat16 ToBfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<Bfloat16>(bits >> 16 | 0x40u);
  return static_cast<Bfloat16>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

inline float FromBfloat16(Bfloat16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_KERNELS_BFLOAT16_H_
