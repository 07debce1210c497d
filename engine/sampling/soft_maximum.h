// The soft maximum's parts over whole rows. Arithmetic as in fixed_arithmetic.h (this folder is
// compiled with -ffp-contract=off).
//
// All functions are thread-safe and allocate nothing. Out-of-range input gives a wrong value, never
// a crash.

#ifndef STRIDED_ENGINE_SAMPLING_SOFT_MAXIMUM_H_
#define STRIDED_ENGINE_SAMPLING_SOFT_MAXIMUM_H_

#include <cstddef>
#include <span>

#include "engine/sampling/fixed_arithmetic.h"

namespace strided {

inline constexpr int kLargestVocabulary = 1 << 20;

// out[i] = Exponential(x[i]). Requires x[i] <= 0 and out.size() == x.size(); the two may be the
// same memory.
void Exponentials(std::span<const float> x, std::span<float> out);

// The first index of the largest value; 0 if there is none (every value a NaN or -infinity).
// Requires at least one value.
size_t IndexOfLargest(std::span<const float> values);

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_SOFT_MAXIMUM_H_
