// How a benchmark ends that cannot go on.

#ifndef STRIDED_TESTS_BENCHMARKS_REQUIRE_H_
#define STRIDED_TESTS_BENCHMARKS_REQUIRE_H_

#include <cerrno>  // program_invocation_short_name
#include <cstdlib>
#include <exception>
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

// What main() returns: what `run` does, or 1 where a library threw, with the program's name and the
// error on standard error.
inline int ExitStatusOf(int (*run)(int, char**), int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << program_invocation_short_name << ": " << error.what() << "\n";
    return 1;
  }
}

}  // namespace strided

#endif  // STRIDED_TESTS_BENCHMARKS_REQUIRE_H_
