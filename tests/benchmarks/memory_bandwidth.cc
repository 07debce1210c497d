#include "tests/benchmarks/memory_bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "engine/cpu/kernels/aligned_array.h"
#include "engine/cpu/thread_team.h"

namespace strided {
namespace {

constexpr int kPasses = 12;

#if defined(__x86_64__)
__attribute__((target_clones("default,arch=haswell,arch=skylake-avx512")))
#endif
uint64_t
Sum(const uint64_t* words, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += words[i];
  return sum;
}

}  // namespace

double ReadBandwidth(size_t bytes, int threads) {
  constexpr size_t kLeastBytes = size_t{256} << 20;  // of one pass, so that it lasts milliseconds
  const size_t part = bytes / sizeof(uint64_t) / static_cast<size_t>(threads);
  const size_t repeats = std::max<size_t>(kLeastBytes / bytes, 1);
  const auto buffer = AlignedArray<uint64_t>::Zeros(part * static_cast<size_t>(threads));
  ThreadTeam team(threads);
  std::atomic<uint64_t> sum{0};  // keeps the reads from being optimised away
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    team.Run([&](int member) {
      for (size_t i = 0; i < repeats; ++i) {
        sum += Sum(buffer.data() + static_cast<size_t>(member) * part, part);
      }
    });
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    const auto read = static_cast<double>(part * sizeof(uint64_t) * repeats) * threads;
    best = std::max(best, read / time.count());
  }
  return best;
}

}  // namespace strided
