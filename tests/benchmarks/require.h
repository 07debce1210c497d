// Values that a benchmark cannot go on without.

#ifndef STRIDED_TESTS_BENCHMARKS_REQUIRE_H_
#define STRIDED_TESTS_BENCHMARKS_REQUIRE_H_

#include <cerrno>  // program_invocation_short_name
#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace strided {

// Ends the program with status 1, and its name and the error on standard error, unless OK.
inline void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << program_invocation_short_name << ": " << status << "\n";
  std::exit(1);  // NOLINT(concurrency-mt-unsafe): benchmarks end on their main thread
}

// The value, or the end as above.
template <typename T>
T Require(absl::StatusOr<T> result) {
  Require(result.status());
  return *std::move(result);
}

}  // namespace strided

#endif  // STRIDED_TESTS_BENCHMARKS_REQUIRE_H_
