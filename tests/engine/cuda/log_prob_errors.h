// How far one executor's log-probabilities are from another's.

#ifndef STRIDED_TESTS_ENGINE_CUDA_LOG_PROB_ERRORS_H_
#define STRIDED_TESTS_ENGINE_CUDA_LOG_PROB_ERRORS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace strided::cuda {

using LogProbs = std::vector<std::vector<float>>;  // [position][token]

// How far log-probabilities are from expected ones.
struct Errors {
  double worst = 0;           // of all
  double worst_relative = 0;  // in units of 1 + |expected|
  double mean_square = 0;
  std::string where;  // the worst is
};

inline Errors ErrorsOf(const LogProbs& actual, const LogProbs& expected) {
  Errors errors;
  double count = 0;
  EXPECT_EQ(actual.size(), expected.size());
  for (size_t t = 0; t < actual.size(); ++t) {
    for (size_t token = 0; token < actual[t].size(); ++token) {
      const double wanted = double{expected[t][token]};
      const double error = std::abs(double{actual[t][token]} - wanted);
      errors.mean_square += error * error;
      ++count;
      errors.worst_relative = std::max(errors.worst_relative, error / (1 + std::abs(wanted)));
      if (error <= errors.worst) continue;
      errors.worst = error;
      errors.where = absl::StrCat("position ", t, ", token ", token, ": ", actual[t][token],
                                  ", expected ", wanted);
    }
  }
  errors.mean_square /= count;
  EXPECT_FALSE(std::isnan(errors.mean_square));
  return errors;
}

inline void ExpectExact(const LogProbs& actual, const LogProbs& expected) {
  const Errors errors = ErrorsOf(actual, expected);
  EXPECT_LE(errors.worst, 2e-4) << errors.where;
}

// Log-probabilities go down to -15 here, and each sums up the roundings of some 8 bits in every
// layer: single ones of many thousands are further off than their share of what they measure.
inline void ExpectWithinBfloat16(const LogProbs& actual, const LogProbs& expected) {
  const Errors errors = ErrorsOf(actual, expected);
  EXPECT_LE(errors.worst_relative, 2e-2) << "the worst: " << errors.where;
  EXPECT_LE(std::sqrt(errors.mean_square), 1e-2) << "the worst: " << errors.where;
}

// An element of an int8 cache is off by up to a part in 254 of its row's largest: a part in 440 as
// a root mean square. The largest of a row is some three times its root mean square, so that scores
// and values are off by 0.7 % of theirs each, a layer's attention by 1 %, three layers' by 1.7 %;
// with the 1 % of bfloat16, as squares, 2 %. Single ones as far off as there, in proportion.
inline void ExpectWithinInt8Caches(const LogProbs& actual, const LogProbs& expected) {
  const Errors errors = ErrorsOf(actual, expected);
  EXPECT_LE(errors.worst_relative, 4e-2) << "the worst: " << errors.where;
  EXPECT_LE(std::sqrt(errors.mean_square), 2e-2) << "the worst: " << errors.where;
}

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_ENGINE_CUDA_LOG_PROB_ERRORS_H_
