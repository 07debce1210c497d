// How long things took, in memory that does not grow with their number.

#ifndef STRIDED_CLIENT_CPP_BENCH_HISTOGRAM_H_
#define STRIDED_CLIENT_CPP_BENCH_HISTOGRAM_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace strided::client {

// Counts durations in buckets whose width grows with the duration: each power of two of nanoseconds
// is cut into 128 buckets of equal width, and durations under 256 ns have a bucket each. A quantile
// is the middle of its bucket, and so within 1/256 (0.4 %) of the exact one; count, sum and the
// longest duration are exact. A value; not thread-safe.
class Histogram {
 public:
  // The largest |Quantile(q) - exact| / exact.
  static constexpr double kRelativeError = 1.0 / 256;

  // `count` things took `duration` each. Negative durations count as zero; those over 2^62 ns (146
  // years) as that.
  void Add(absl::Duration duration, uint64_t count = 1);

  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  absl::Duration max() const { return max_; }
  absl::Duration Mean() const;

  // The duration that is at least as long as a share `q` of all, e.g. 0.99; zero where there are
  // none. Never longer than max(). Requires 0 <= q <= 1.
  absl::Duration Quantile(double q) const;

 private:
  std::vector<uint64_t> buckets_;  // as many as the longest duration needs
  uint64_t count_ = 0;
  absl::Duration sum_ = absl::ZeroDuration();
  absl::Duration max_ = absl::ZeroDuration();
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_BENCH_HISTOGRAM_H_
