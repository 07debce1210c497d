// How fast this machine reads memory, right now.

#ifndef STRIDED_TESTS_BENCHMARKS_MEMORY_BANDWIDTH_H_
#define STRIDED_TESTS_BENCHMARKS_MEMORY_BANDWIDTH_H_

#include <cstddef>

namespace strided {

// Bytes per second at which `threads` threads together read a buffer of so many bytes, each its own
// part from front to back: the best of several passes. A buffer far larger than the last cache
// gives the memory's bandwidth; a smaller one, the cache's.
double ReadBandwidth(size_t bytes, int threads);

}  // namespace strided

#endif  // STRIDED_TESTS_BENCHMARKS_MEMORY_BANDWIDTH_H_
