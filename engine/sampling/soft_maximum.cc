#include "engine/sampling/soft_maximum.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace strided {
namespace {

// exp(x) = 2^n * exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2 (Cody and Waite 1980, chapter
// 6). ln 2 is the sum of two constants, the first short enough that n times it is exact.
constexpr float kInverseLn2 = 1.44269504088896341F;
constexpr float kLn2High = 0.693359375F;
constexpr float kLn2Low = -2.12194440e-4F;
constexpr float kSmallest = -87.0F;  // 2^n stays a normal number above it

// Adding 1.5 * 2^23 leaves no room for a fraction: it rounds to nearest, and the sum's low bits are
// the integer.
constexpr float kRoundingShift = 12582912.0F;
constexpr int kMantissaBits = 23;
constexpr int32_t kExponentBias = 127;

float Exponential(float x) {
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
  const int32_t exponent =
      std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRoundingShift) + kExponentBias;
  const float power = std::bit_cast<float>(exponent << kMantissaBits);
  return x >= kSmallest ? series * power : 0.0F;
}

}  // namespace

void Exponentials(std::span<const float> x, std::span<float> out) {
  for (size_t i = 0; i < x.size(); ++i) out[i] = Exponential(x[i]);
}

double NaturalLog(double value) {
  // value = 2^exponent * m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m-1) / (m+1).
  constexpr int64_t kSqrtHalfBits = std::bit_cast<int64_t>(0.70710678118654752440);
  constexpr int kDoubleMantissaBits = 52;
  const auto bits = std::bit_cast<int64_t>(value);
  const int64_t exponent = (bits - kSqrtHalfBits) >> kDoubleMantissaBits;
  const auto m = std::bit_cast<double>(
      bits - static_cast<int64_t>(static_cast<uint64_t>(exponent) << kDoubleMantissaBits));
  const double s = (m - 1) / (m + 1);
  const double square = s * s;  // <= 0.0295: the term left out is below 2^-60 of the sum
  double series = 0;
  for (int k = 21; k >= 3; k -= 2) series = series * square + 1.0 / k;
  constexpr double kLn2 = 0.69314718055994530942;
  return static_cast<double>(exponent) * kLn2 + (2 * s * square * series + 2 * s);
}

size_t IndexOfLargest(std::span<const float> values) {
  // Eight running maxima: the compiler keeps them in one register.
  constexpr size_t kLanes = 8;
  std::array<float, kLanes> lanes;
  lanes.fill(-std::numeric_limits<float>::infinity());
  const size_t whole = values.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float value = values[i + lane];
      lanes[lane] = value > lanes[lane] ? value : lanes[lane];
    }
  }
  float largest = *std::max_element(lanes.begin(), lanes.end());
  for (size_t i = whole; i < values.size(); ++i) largest = std::max(largest, values[i]);
  const auto first = std::find(values.begin(), values.end(), largest);
  return first == values.end() ? 0 : static_cast<size_t>(first - values.begin());
}

}  // namespace strided
