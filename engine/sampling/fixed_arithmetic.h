// The arithmetic between logits and a token, in fixed operations: the same bits from every
// compiler, maths library, instruction set and device.
//
// exp is float32: additions, products and bit shifts in one written order, never fused. It is then
// cut to a whole number of 2^-43, so that sums are integers: exact, whatever their order and
// however a device splits them. To be called only where fused multiply-add is off (GCC and clang:
// -ffp-contract=off, nvcc: -fmad=false). Everything is constexpr, so that a device's compiler can
// take the same source.
//
// Thread-safe; nothing is allocated. Out-of-range input gives a wrong value, never a crash.

#ifndef STRIDED_ENGINE_SAMPLING_FIXED_ARITHMETIC_H_
#define STRIDED_ENGINE_SAMPLING_FIXED_ARITHMETIC_H_

#include <bit>
#include <cstdint>
#include <limits>

namespace strided {

// exp(x) for x <= 0, in units of 2^-43. A token less likely than 2^-43 (1.1e-13) times the most
// likely one has mass 0. 2^20 masses fit their sum.
using Mass = uint64_t;
inline constexpr int kMassBits = 43;
inline constexpr Mass kMassOfOne = Mass{1} << kMassBits;

// exp(x), within 1 ulp and never more for a smaller x; exactly 1 at 0, exactly 0 below -87 and for
// a NaN. Requires x <= 0.
//
// exp(x) = 2^n * exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2 (Cody and Waite 1980, chapter
// 6). ln 2 is the sum of two constants, the first short enough that n times it is exact.
constexpr float Exponential(float x) {
  constexpr float kInverseLn2 = 1.44269504088896341F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kSmallest = -87.0F;  // 2^n stays a normal number above it
  // Adding 1.5 * 2^23 leaves no room for a fraction: it rounds to nearest, and the sum's low bits
  // are the integer.
  constexpr float kRoundingShift = 12582912.0F;
  constexpr int32_t kShiftBits = std::bit_cast<int32_t>(kRoundingShift);
  constexpr int kMantissaBits = 23;
  constexpr int32_t kExponentBias = 127;

  const float clamped = x > kSmallest ? x : kSmallest;  // of a NaN too
  const float shifted = clamped * kInverseLn2 + kRoundingShift;
  const float n = shifted - kRoundingShift;
  const float r = (clamped - n * kLn2High) - n * kLn2Low;
  // Taylor's series to r^7: what is left out is below 6e-9, a tenth of an ulp.
  float series = 1.0F / 5040;
  series = series * r + 1.0F / 720;
  series = series * r + 1.0F / 120;
  series = series * r + 1.0F / 24;
  series = series * r + 1.0F / 6;
  series = series * r + 0.5F;
  series = series * (r * r) + r + 1.0F;
  const int32_t exponent = std::bit_cast<int32_t>(shifted) - kShiftBits + kExponentBias;
  const float power = std::bit_cast<float>(exponent << kMantissaBits);
  return x >= kSmallest ? series * power : 0.0F;
}

// The natural logarithm, within 2 ulp. Requires a positive, normal, finite value.
constexpr double NaturalLog(double value) {
  // value = 2^exponent * m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m-1) / (m+1).
  constexpr int64_t kSqrtHalfBits = std::bit_cast<int64_t>(0.70710678118654752440);
  constexpr int kDoubleMantissaBits = 52;
  constexpr double kLn2 = 0.69314718055994530942;
  const auto bits = std::bit_cast<int64_t>(value);
  const int64_t exponent = (bits - kSqrtHalfBits) >> kDoubleMantissaBits;
  const auto m = std::bit_cast<double>(
      bits - static_cast<int64_t>(static_cast<uint64_t>(exponent) << kDoubleMantissaBits));
  const double s = (m - 1) / (m + 1);
  const double square = s * s;  // <= 0.0295: the term left out is below 2^-60 of the sum
  double series = 1.0 / 21;
  series = series * square + 1.0 / 19;
  series = series * square + 1.0 / 17;
  series = series * square + 1.0 / 15;
  series = series * square + 1.0 / 13;
  series = series * square + 1.0 / 11;
  series = series * square + 1.0 / 9;
  series = series * square + 1.0 / 7;
  series = series * square + 1.0 / 5;
  series = series * square + 1.0 / 3;
  return static_cast<double>(exponent) * kLn2 + (2 * s * square * series + 2 * s);
}

// `exponential` in [0, 1] in units of 2^-43, rounded down.
constexpr Mass MassOf(float exponential) {
  constexpr auto kScale = static_cast<float>(kMassOfOne);  // a power of two: the product is exact
  return static_cast<Mass>(static_cast<int64_t>(exponential * kScale));
}

// The least whole mass that is at least `share` of `total`; at least 1. Requires 0 < share <= 1 and
// 1 <= total <= 2^63.
constexpr Mass MassOfShare(double share, Mass total) {
  const double least = share * static_cast<double>(total);
  if (least >= static_cast<double>(total)) return total;
  const auto whole = static_cast<Mass>(least);
  const Mass rounded_up = static_cast<double>(whole) < least ? whole + 1 : whole;
  return rounded_up > 1 ? rounded_up : 1;
}

// bits / 2^64 of `total`, rounded down: the high word of their product of 128 bits.
constexpr Mass FractionOf(uint64_t bits, Mass total) {
  constexpr uint64_t kLowWord = 0xFFFFFFFF;
  const uint64_t low = (bits & kLowWord) * (total & kLowWord);
  const uint64_t cross = (bits >> 32) * (total & kLowWord) + (low >> 32);
  const uint64_t other = (bits & kLowWord) * (total >> 32) + (cross & kLowWord);
  return (bits >> 32) * (total >> 32) + (cross >> 32) + (other >> 32);
}

// The natural logarithm of a sum of masses. Requires at least kMassOfOne.
constexpr double LogOfMass(Mass sum) {
  constexpr double kUnit = 1.0 / static_cast<double>(kMassOfOne);
  return NaturalLog(static_cast<double>(sum) * kUnit);
}

// A logit that the rest can rely on: never a NaN or +infinity. What lies above float32 becomes its
// largest value; what lies below, and a NaN, -infinity (never drawn).
constexpr float BoundedLogit(double value) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  if (!(value >= -kLargest)) return -std::numeric_limits<float>::infinity();
  return static_cast<float>(value < kLargest ? value : kLargest);
}

// What the penalties of parameters.h leave of the logit of a token that has been seen, `generated`
// times after the prompt. First repetition: a positive logit is divided by the penalty, another
// multiplied (Keskar et al. 2019, "CTRL", section 4.1, and its released code for the sign). Then
// frequency_penalty times the number of occurrences after the prompt, and presence_penalty once. In
// double, then BoundedLogit.
struct Penalties {
  double repetition = 1;
  double presence = 0;
  double frequency = 0;
};
constexpr float Penalised(float logit, int32_t generated, const Penalties& penalties) {
  double value = logit;
  value = value > 0 ? value / penalties.repetition : value * penalties.repetition;
  if (generated > 0) value -= penalties.frequency * generated + penalties.presence;
  return BoundedLogit(value);
}

// A candidate's term of the mean of -logit over candidates, in units of 2^-43: its mass times
// -logit, rounded down. As t exp(-t) < 1, a term is less than kMassOfOne, and 2^20 of them fit
// their sum. Requires logit <= 0 and mass = MassOf(Exponential(logit)).
constexpr Mass WeightedFall(float logit, Mass mass) {
  return static_cast<Mass>(static_cast<double>(mass) * -static_cast<double>(logit));
}

// How far a candidate's surprise is from its expectation. -log p = log Z - logit, and the entropy
// is its mean, so log Z cancels: the mean logit less the logit. `falls` is the sum of WeightedFall,
// `total` that of the masses.
constexpr float DistanceFromTypical(float logit, Mass falls, Mass total) {
  const double mean_fall = static_cast<double>(falls) / static_cast<double>(total);
  const auto distance = static_cast<float>(static_cast<double>(logit) + mean_fall);
  return distance < 0 ? -distance : distance;
}

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_FIXED_ARITHMETIC_H_
