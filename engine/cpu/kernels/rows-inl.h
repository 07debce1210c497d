// What is done to one row at a time: layer norm, activation, soft maximum's exp, and the forms
// that the products take.
//
// Included once per target by kernels.cc (Highway's foreach_target).

#if defined(STRIDED_ENGINE_CPU_KERNELS_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STRIDED_ENGINE_CPU_KERNELS_ROWS_INL_H_
#undef STRIDED_ENGINE_CPU_KERNELS_ROWS_INL_H_
#else
#define STRIDED_ENGINE_CPU_KERNELS_ROWS_INL_H_
#endif

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/cpu/kernels/bfloat16.h"
#include "engine/cpu/kernels/kernels.h"
#include "engine/cpu/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace strided {
namespace HWY_NAMESPACE {

// exp(x) within 2 ulp for x in [-87, 88]; 0 below, exp(88) above. A NaN stays one.
//
// x = n ln 2 + r with |r| <= ln(2) / 2; exp(r) by its Taylor polynomial of degree 7, whose error
// is below 1e-8; 2^n by the exponent's bits.
HWY_INLINE Sixteen Exp(const Sixteen& x) {
  constexpr float kLowest = -87.0f;
  const Sixteen clamped = Larger(Smaller(x, Fill(88.0f)), Fill(kLowest));
  Sixteen n = clamped * Fill(1.44269504f);
  Unrolled<kParts>([&](auto p) STRIDED_LAMBDA { n.part[p] = hn::Round(n.part[p]); });
  // ln 2 in two parts, so that n times the first is exact.
  const Sixteen r = MulAdd(n, Fill(2.12194440e-4f), MulAdd(n, Fill(-0.693359375f), clamped));
  constexpr float kTaylor[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  Sixteen y = Fill(1.0f / 5040);
  Unrolled<std::size(kTaylor)>([&](auto i) STRIDED_LAMBDA { y = MulAdd(y, r, Fill(kTaylor[i])); });
  Unrolled<kParts>([&](auto p) STRIDED_LAMBDA {
    const auto exponent = hn::ShiftLeft<23>(hn::ConvertTo(kInts, n.part[p]));
    const auto scaled = hn::BitCast(kFloats, hn::Add(hn::BitCast(kInts, y.part[p]), exponent));
    y.part[p] = hn::IfThenZeroElse(hn::Lt(x.part[p], hn::Set(kFloats, kLowest)), scaled);
  });
  return KeepNaN(x, y);
}

// x / (1 + exp(-z)).
HWY_INLINE Sixteen TimesSigmoid(const Sixteen& x, const Sixteen& z) {
  return x / (Fill(1.0f) + Exp(Zero() - z));
}

// The error function within 3e-7: an odd rational function on [-4, 4], beyond which it is +-1 to
// the last bit (the minimax coefficients of Eigen's and XLA's float erf).
HWY_INLINE Sixteen Erf(const Sixteen& value) {
  const Sixteen x = Larger(Smaller(value, Fill(4.0f)), Fill(-4.0f));
  const Sixteen square = x * x;
  Sixteen above = Fill(-2.72614225801306e-10f);
  for (const float coefficient :
       {2.77068142495902e-08f, -2.10102402082508e-06f, -5.69250639462346e-05f,
        -7.34990630326855e-04f, -2.95459980854025e-03f, -1.60960333262415e-02f}) {
    above = MulAdd(above, square, Fill(coefficient));
  }
  Sixteen below = Fill(-1.45660718464996e-05f);
  for (const float coefficient : {-2.13374055278905e-04f, -1.68282697438203e-03f,
                                  -7.37332916720468e-03f, -1.42647390514189e-02f}) {
    below = MulAdd(below, square, Fill(coefficient));
  }
  return KeepNaN(value, x * above / below);
}

template <Activation kKind>
HWY_INLINE Sixteen Activated(const Sixteen& x) {
  if constexpr (kKind == Activation::kQuickGelu) {
    return TimesSigmoid(x, x * Fill(1.702f));
  } else if constexpr (kKind == Activation::kGelu) {
    return x * Fill(0.5f) * (Fill(1.0f) + Erf(x * Fill(0.70710678f)));
  } else if constexpr (kKind == Activation::kGeluTanh) {
    // (1 + tanh u) / 2 = sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
    const Sixteen cubic = MulAdd(x * x * x, Fill(0.044715f), x);
    return TimesSigmoid(x, cubic * Fill(1.59576912f));
  } else {
    return KeepNaN(x, Larger(x, Zero()));
  }
}

template <Activation kKind>
HWY_INLINE void ActivateAll(float* values, size_t count) {
  for (size_t i = 0; i < count; i += kLanes) {
    StoreFirst(Activated<kKind>(Load(values + i)), values + i, count - i);
  }
}

void Activate(Activation activation, float* values, int count) {
  const auto size = static_cast<size_t>(count);
  switch (activation) {
    case Activation::kQuickGelu:
      return ActivateAll<Activation::kQuickGelu>(values, size);
    case Activation::kGelu:
      return ActivateAll<Activation::kGelu>(values, size);
    case Activation::kGeluTanh:
      return ActivateAll<Activation::kGeluTanh>(values, size);
    case Activation::kRelu:
      return ActivateAll<Activation::kRelu>(values, size);
  }
}

// (x - mean) / sqrt(variance + epsilon) * weight + bias, the variance about the mean, which is
// taken as 0 by Norm::kScale.
void Normalise(const NormTask& task) {
  const auto width = static_cast<size_t>(task.width);
  const auto count = static_cast<float>(task.width);
  Sixteen sum = Zero();
  for (size_t i = 0; i < width; i += kLanes) sum = sum + KeepFirst(Load(task.in + i), width - i);
  const Sixteen mean = Fill(task.norm == Norm::kLayer ? SumOf(sum) / count : 0.0f);
  Sixteen squares = Zero();
  for (size_t i = 0; i < width; i += kLanes) {
    const Sixteen centred = KeepFirst(Load(task.in + i) - mean, width - i);
    squares = MulAdd(centred, centred, squares);
  }
  const Sixteen factor = Fill(1.0f / std::sqrt(SumOf(squares) / count + task.epsilon));
  for (size_t i = 0; i < width; i += kLanes) {
    const Sixteen unit = (Load(task.in + i) - mean) * factor;
    StoreFirst(MulAdd(unit, Load(task.weight + i), Load(task.bias + i)), task.out + i, width - i);
  }
}

// Rounds to the nearest bfloat16, ties to even, into the lower halves of words; a NaN stays one.
HWY_INLINE void StoreAsBfloat16(const Sixteen& value, uint16_t* to) {
  constexpr hn::Rebind<uint16_t, WordTag> kHalves;
  for (size_t p = 0; p < kParts; ++p) {
    const auto bits = hn::BitCast(kWords, value.part[p]);
    const auto upper = hn::ShiftRight<16>(bits);
    const auto odd = hn::And(upper, hn::Set(kWords, 1));
    const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(kWords, 0x7fff)), odd));
    const auto quiet = hn::Or(upper, hn::Set(kWords, 0x40));
    const auto is_nan = hn::RebindMask(kWords, hn::IsNaN(value.part[p]));
    const auto chosen = hn::IfThenElse(is_nan, quiet, rounded);
    hn::StoreU(hn::DemoteTo(kHalves, hn::BitCast(kInts, chosen)), kHalves, to + p * kVectorLanes);
  }
}

void ToBfloat16Row(const float* in, int count, uint16_t* out) {
  const auto size = static_cast<size_t>(count);
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) StoreAsBfloat16(Load(in + i), out + i);
  for (; i < size; ++i) out[i] = ToBfloat16(in[i]);
}

float EncodeFloat32(const float* in, int width, std::byte* out) {
  const auto size = static_cast<size_t>(width);
  for (size_t i = 0; i < size; i += kLanes) {
    Store(KeepFirst(Load(in + i), size - i), reinterpret_cast<float*>(out) + i);
  }
  return 1;
}

float EncodeBfloat16(const float* in, int width, std::byte* out) {
  const auto size = static_cast<size_t>(width);
  for (size_t i = 0; i < size; i += kLanes) {
    StoreAsBfloat16(KeepFirst(Load(in + i), size - i), reinterpret_cast<uint16_t*>(out) + i);
  }
  return 1;
}

// The largest magnitude in a row, by its bits: a NaN is larger than infinity.
HWY_INLINE float LargestMagnitude(const float* in, size_t size) {
  const auto magnitude = hn::Set(kInts, 0x7fffffff);
  hn::Vec<IntTag> largest[kParts];
  for (size_t p = 0; p < kParts; ++p) largest[p] = hn::Zero(kInts);
  for (size_t i = 0; i < size; i += kLanes) {
    const Sixteen x = KeepFirst(Load(in + i), size - i);
    for (size_t p = 0; p < kParts; ++p) {
      largest[p] = hn::Max(largest[p], hn::And(hn::BitCast(kInts, x.part[p]), magnitude));
    }
  }
  HWY_ALIGN int32_t lane[kLanes];
  for (size_t p = 0; p < kParts; ++p) hn::StoreU(largest[p], kInts, lane + p * kVectorLanes);
  return std::bit_cast<float>(*std::max_element(lane, lane + kLanes));
}

// Integers in [-127, 127] plus `offset`, and their scale. A row that is not finite gets the scale
// NaN, so that its products are NaN.
template <typename Integer>
HWY_INLINE float EncodeIntegers(const float* in, int width, int32_t offset, Integer* out) {
  constexpr float kNothing = 1e-30f;  // rows below it are zero; their scale would overflow
  constexpr hn::Rebind<Integer, IntTag> kNarrow;
  const auto size = static_cast<size_t>(width);
  const float largest = LargestMagnitude(in, size);
  const bool finite = largest <= std::numeric_limits<float>::max();
  const float factor = finite && largest > kNothing ? 127.0f / largest : 0.0f;
  for (size_t i = 0; i < size; i += kLanes) {
    const Sixteen x = KeepFirst(Load(in + i), size - i) * Fill(factor);
    for (size_t p = 0; p < kParts; ++p) {
      const auto integers = hn::ConvertTo(kInts, hn::Round(x.part[p]));
      const auto moved = hn::Add(integers, hn::Set(kInts, offset));
      hn::StoreU(hn::DemoteTo(kNarrow, moved), kNarrow, out + i + p * kVectorLanes);
    }
  }
  if (!finite) return std::numeric_limits<float>::quiet_NaN();
  return factor > 0 ? largest / 127.0f : 0.0f;
}

float EncodeInt8Pairs(const float* in, int width, std::byte* out) {
  return EncodeIntegers(in, width, 0, reinterpret_cast<int16_t*>(out));
}

float EncodeInt8Quads(const float* in, int width, std::byte* out) {
  return EncodeIntegers(in, width, 128, reinterpret_cast<uint8_t*>(out));
}

}  // namespace HWY_NAMESPACE
}  // namespace strided
HWY_AFTER_NAMESPACE();

#endif  // STRIDED_ENGINE_CPU_KERNELS_ROWS_INL_H_
