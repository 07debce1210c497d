// The arithmetic of the soft maximum, in fixed operations: the same bits from every compiler, maths
// library and instruction set.
//
// exp is float32: additions, products and bit shifts in one written order, never fused (this folder
// is compiled with -ffp-contract=off). It is then cut to a whole number of 2^-43, so that sums are
// integers: exact, whatever their order and however a device splits them.
//
// All functions are thread-safe and allocate nothing. Out-of-range input gives a wrong value, never
// a crash.

#ifndef STRIDED_ENGINE_SAMPLING_SOFT_MAXIMUM_H_
#define STRIDED_ENGINE_SAMPLING_SOFT_MAXIMUM_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace strided {

// exp(x) for x <= 0, in units of 2^-43. A token less likely than 2^-43 (1.1e-13) times the most
// likely one has mass 0. 2^20 masses fit their sum.
using Mass = uint64_t;
inline constexpr int kMassBits = 43;
inline constexpr Mass kMassOfOne = Mass{1} << kMassBits;
inline constexpr int kLargestVocabulary = 1 << 20;

// out[i] = exp(x[i]), within 1 ulp and never more for a smaller x; exactly 1 at 0, exactly 0 below
// -87 and for a NaN. Requires x[i] <= 0 and out.size() == x.size(); the two may be the same memory.
void Exponentials(std::span<const float> x, std::span<float> out);

// `exponential` in [0, 1] in units of 2^-43, rounded down.
inline Mass MassOf(float exponential) {
  constexpr auto kScale = static_cast<float>(kMassOfOne);  // a power of two: the product is exact
  return static_cast<Mass>(static_cast<int64_t>(exponential * kScale));
}

// A logit that the rest can rely on: never a NaN or +infinity. What lies above float32 becomes its
// largest value; what lies below, and a NaN, -infinity (never drawn).
inline float BoundedLogit(double value) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  if (!(value >= -kLargest)) return -std::numeric_limits<float>::infinity();
  return static_cast<float>(value < kLargest ? value : kLargest);
}

// The natural logarithm, within 2 ulp. Requires a positive, normal, finite value.
double NaturalLog(double value);

// The first index of the largest value; 0 if there is none (every value a NaN or -infinity).
// Requires at least one value.
size_t IndexOfLargest(std::span<const float> values);

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_SOFT_MAXIMUM_H_
