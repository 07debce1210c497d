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

#include "hwy/highway.h"

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

// Applies a Highway function to each part; the loop is unrolled.
#define STRIDED_EACH_PART(expression)   \
  Sixteen result;                       \
  for (size_t p = 0; p < kParts; ++p) { \
    result.part[p] = (expression);      \
  }                                     \
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
  for (size_t p = 0; p < kParts; ++p) hn::StoreU(value.part[p], kFloats, to + p * kVectorLanes);
}

// The first `count` lanes, then zeros.
HWY_INLINE Sixteen KeepFirst(const Sixteen& value, size_t count) {
  if (count >= kLanes) return value;
  Sixteen result;
  for (size_t p = 0; p < kParts; ++p) {
    const size_t before = p * kVectorLanes;
    const size_t here = std::min(count > before ? count - before : 0, kVectorLanes);
    result.part[p] = hn::IfThenElseZero(hn::FirstN(kFloats, here), value.part[p]);
  }
  return result;
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
  for (size_t p = 0; p < kParts; ++p) {
    const auto words =
        hn::LoadU(kWords, reinterpret_cast<const uint32_t*>(from) + p * kVectorLanes);
    result.even.part[p] = hn::BitCast(kFloats, hn::ShiftLeft<16>(words));
    result.odd.part[p] = hn::BitCast(kFloats, hn::And(words, upper));
  }
  return result;
}

// The tree by which sixteen partial sums become one: lane i and i + 8, then + 4, + 2, + 1.
HWY_INLINE float SumOf(const Sixteen& value) {
  HWY_ALIGN float lane[kLanes];
  Store(value, lane);
  for (size_t half = kLanes / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) lane[i] = lane[i] + lane[i + half];
  }
  return lane[0];
}

HWY_INLINE float LargestOf(const Sixteen& value) {
  HWY_ALIGN float lane[kLanes];
  Store(value, lane);
  float largest = lane[0];
  for (size_t i = 1; i < kLanes; ++i) largest = std::max(largest, lane[i]);
  return largest;
}

// to[i] = SumOf(value[i]) for four values, in the same tree.
#if HWY_TARGET == HWY_SCALAR
HWY_INLINE void SumsOfFour(const Sixteen (&value)[4], float* to) {
  for (size_t i = 0; i < 4; ++i) to[i] = SumOf(value[i]);
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
#endif

}  // namespace HWY_NAMESPACE
}  // namespace strided
HWY_AFTER_NAMESPACE();

#endif  // STRIDED_ENGINE_CPU_KERNELS_LANES_INL_H_
