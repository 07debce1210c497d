// What a fuzzer demands of the code under test, beside not crashing.

#ifndef STRIDED_TESTS_FUZZ_REQUIRE_H_
#define STRIDED_TESTS_FUZZ_REQUIRE_H_

#include <cstdio>
#include <cstdlib>

namespace strided {

// Ends the process, which libFuzzer reports with the input, unless `holds`.
inline void Require(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", claim);
  std::abort();
}

}  // namespace strided

#endif  // STRIDED_TESTS_FUZZ_REQUIRE_H_
