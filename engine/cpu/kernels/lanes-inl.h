// Sixteen floats, whatever the width of the target's vectors.
//
// Included once per target by kernels.cc (Highway's foreach_target).

#if defined(STRIDED_ENGINE_CPU_KERNELS_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STRIDED_ENGINE_CPU_KERNELS_LANES_INL_H_
#undef STRIDED_ENGINE_CPU_KERNELS_LANES_INL_H_
#else
#define STRIDED_ENGINE_CPU_KERNELS_LANES_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "hwy/highway.h"

// After a lambda's parameters: compiled for the target, and never a call.
#undef STRIDED_LAMBDA
#define STRIDED_LAMBDA __attribute__((always_inline)) HWY_ATTR

HWY_BEFORE_NAMESPACE();
namespace strided {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, 16>;
using WordTag = hn::RebindToUnsigned<FloatTag>;  // the floats' bits
using IntTag = hn::RebindToSigned<FloatTag>;
inline constexpr FloatTag kFloats;
inline constexpr WordTag kWords;
inline constexpr IntTag kInts;
using Floats = hn::Vec<FloatTag>;

inline constexpr size_t kLanes = 16;
inline constexpr size_t kVectorLanes = hn::MaxLanes(FloatTag());
inline constexpr size_t kParts = kLanes / kVectorLanes;

struct Sixteen {
  Floats part[kParts];
};

// Calls body(0), ..., body(kCount - 1) with the index as a constant. Arrays that are indexed so
// stay in registers; in nested loops GCC 12 often keeps them in memory.
template <size_t kCount, class Body>
HWY_INLINE void Unrolled(const Body& body) {
  [&]<size_t... kIndex>(std::index_sequence<kIndex...>) STRIDED_LAMBDA {
    (body(std::integral_constant<size_t, kIndex>()), ...);
  }
  (std::make_index_sequence<kCount>());
}

// The function's result: the expression for each part p.
#undef STRIDED_EACH_PART
#define STRIDED_EACH_PART(expression)                                              \
  Sixteen result;                                                                  \
  Unrolled<kParts>([&](auto p) STRIDED_LAMBDA { result.part[p] = (expression); }); \
  return result

HWY_INLINE Sixteen Fill(float value) { STRIDED_EACH_PART(hn::Set(kFloats, value)); }
HWY_INLINE Sixteen Zero() { STRIDED_EACH_PART(hn::Zero(kFloats)); }
HWY_INLINE Sixteen Load(const float* from) {
  STRIDED_EACH_PART(hn::LoadU(kFloats, from + p * kVectorLanes));
}
HWY_INLINE Sixteen operator+(const Sixteen& a, const Sixteen& b) {
  STRIDED_EACH_PART(hn::Add(a.part[p], b.part[p]));
}
HWY_INLINE Sixteen operator-(const Sixteen& a, const Sixteen& b) {
  STRIDED_EACH_PART(hn::Sub(a.part[p], b.part[p]));
}
HWY_INLINE Sixteen operator*(const Sixteen& a, const Sixteen& b) {
  STRIDED_EACH_PART(hn::Mul(a.part[p], b.part[p]));
}
HWY_INLINE Sixteen operator/(const Sixteen& a, const Sixteen& b) {
  STRIDED_EACH_PART(hn::Div(a.part[p], b.part[p]));
}
// a * b + c, fused where the target can.
HWY_INLINE Sixteen MulAdd(const Sixteen& a, const Sixteen& b, const Sixteen& c) {
  STRIDED_EACH_PART(hn::MulAdd(a.part[p], b.part[p], c.part[p]));
}
HWY_INLINE Sixteen Larger(const Sixteen& a, const Sixteen& b) {
  STRIDED_EACH_PART(hn::Max(a.part[p], b.part[p]));
}
HWY_INLINE Sixteen Smaller(const Sixteen& a, const Sixteen& b) {
  STRIDED_EACH_PART(hn::Min(a.part[p], b.part[p]));
}
// `value` where `x` is a number, else NaN.
HWY_INLINE Sixteen KeepNaN(const Sixteen& x, const Sixteen& value) {
  STRIDED_EACH_PART(hn::IfThenElse(hn::IsNaN(x.part[p]), x.part[p], value.part[p]));
}

HWY_INLINE void Store(const Sixteen& value, float* to) {
  Unrolled<kParts>([&](auto p)
                       HWY_ATTR { hn::StoreU(value.part[p], kFloats, to + p * kVectorLanes); });
}

// The first `count` lanes, then zeros.
HWY_INLINE Sixteen KeepFirst(const Sixteen& value, size_t count) {
  if (count >= kLanes) return value;
  STRIDED_EACH_PART(hn::IfThenElseZero(
      hn::FirstN(kFloats, std::min(count - std::min(count, p * kVectorLanes), kVectorLanes)),
      value.part[p]));
}

// Stores the first `count` only.
HWY_INLINE void StoreFirst(const Sixteen& value, float* to, size_t count) {
  if (count >= kLanes) return Store(value, to);
  HWY_ALIGN float all[kLanes];
  Store(value, all);
  for (size_t i = 0; i < count; ++i) to[i] = all[i];
}

// 32 bfloat16 as floats: those of even index, then those of odd index.
struct EvenOdd {
  Sixteen even;
  Sixteen odd;
};
HWY_INLINE EvenOdd LoadPairs(const std::byte* from) {
  const auto upper = hn::Set(kWords, 0xffff0000u);
  EvenOdd result;
  Unrolled<kParts>([&](auto p) STRIDED_LAMBDA {
    const auto words =
        hn::LoadU(kWords, reinterpret_cast<const uint32_t*>(from) + p * kVectorLanes);
    result.even.part[p] = hn::BitCast(kFloats, hn::ShiftLeft<16>(words));
    result.odd.part[p] = hn::BitCast(kFloats, hn::And(words, upper));
  });
  return result;
}

// 32 floats the same way, and back.
HWY_INLINE EvenOdd LoadEvenOdd(const float* from) {
  EvenOdd result;
  Unrolled<kParts>([&](auto p) STRIDED_LAMBDA {
    hn::LoadInterleaved2(kFloats, from + 2 * p * kVectorLanes, result.even.part[p],
                         result.odd.part[p]);
  });
  return result;
}
HWY_INLINE void StoreEvenOdd(const EvenOdd& value, float* to) {
  Unrolled<kParts>([&](auto p) STRIDED_LAMBDA {
    hn::StoreInterleaved2(value.even.part[p], value.odd.part[p], kFloats,
                          to + 2 * p * kVectorLanes);
  });
}

// SumOf: the tree by which sixteen partial sums become one, lane i and i + 8, then + 4, + 2, + 1.
// SumsOfFour: to[i] = SumOf(value[i]).
#if HWY_TARGET == HWY_SCALAR
HWY_INLINE float SumOf(const Sixteen& value) {
  float lane[kLanes];
  Store(value, lane);
  for (size_t half = kLanes / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) lane[i] = lane[i] + lane[i + half];
  }
  return lane[0];
}

HWY_INLINE void SumsOfFour(const Sixteen (&value)[4], float* to) {
  for (size_t i = 0; i < 4; ++i) to[i] = SumOf(value[i]);
}

HWY_INLINE float LargestOf(const Sixteen& value) {
  float lane[kLanes];
  Store(value, lane);
  return *std::max_element(lane, lane + kLanes);
}
#else
using QuadTag = hn::FixedTag<float, 4>;
inline constexpr QuadTag kQuad;

// Adds the halves until four lanes are left.
template <class V>
HWY_INLINE hn::Vec<QuadTag> FoldHalves(V value) {
  const hn::DFromV<V> tag;
  if constexpr (hn::MaxLanes(hn::DFromV<V>()) == 4) {
    return value;
  } else {
    const hn::Half<decltype(tag)> half;
    return FoldHalves(hn::Add(hn::LowerHalf(half, value), hn::UpperHalf(half, value)));
  }
}

template <size_t kCount>
HWY_INLINE hn::Vec<QuadTag> FoldParts(const Floats (&part)[kCount]) {
  if constexpr (kCount == 4) {
    return hn::Add(hn::Add(part[0], part[2]), hn::Add(part[1], part[3]));
  } else if constexpr (kCount == 2) {
    return FoldHalves(hn::Add(part[0], part[1]));
  } else {
    return FoldHalves(part[0]);
  }
}

HWY_INLINE float SumOf(const Sixteen& value) {
  HWY_ALIGN float lane[4];
  hn::Store(FoldParts(value.part), kQuad, lane);
  return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

HWY_INLINE void SumsOfFour(const Sixteen (&value)[4], float* to) {
  const auto a = FoldParts(value[0].part);
  const auto b = FoldParts(value[1].part);
  const auto c = FoldParts(value[2].part);
  const auto d = FoldParts(value[3].part);
  // [a0 + a2, b0 + b2, a1 + a3, b1 + b3]
  const auto ab = hn::Add(hn::InterleaveLower(kQuad, a, b), hn::InterleaveUpper(kQuad, a, b));
  const auto cd = hn::Add(hn::InterleaveLower(kQuad, c, d), hn::InterleaveUpper(kQuad, c, d));
  hn::StoreU(hn::Add(hn::ConcatLowerLower(kQuad, cd, ab), hn::ConcatUpperUpper(kQuad, cd, ab)),
             kQuad, to);
}

HWY_INLINE float LargestOf(const Sixteen& value) {
  Floats largest = value.part[0];
  for (size_t p = 1; p < kParts; ++p) largest = hn::Max(largest, value.part[p]);
  return hn::GetLane(hn::MaxOfLanes(kFloats, largest));
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace strided
HWY_AFTER_NAMESPACE();

#endif  // STRIDED_ENGINE_CPU_KERNELS_LANES_INL_H_
