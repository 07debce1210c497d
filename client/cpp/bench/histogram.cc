#include "client/cpp/bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace strided::client {
namespace {

constexpr int kBitsPerOctave = 7;  // 128 buckets
constexpr uint64_t kPerOctave = uint64_t{1} << kBitsPerOctave;
constexpr int64_t kLongest = int64_t{1} << 62;

// With s = the bits of `nanoseconds` beyond the first eight, the bucket is [b << s, (b + 1) << s)
// where 128 <= b < 256 (0 <= b < 256 for s = 0); buckets of one s follow those of the last.
size_t BucketOf(uint64_t nanoseconds) {
  const int shift =
      std::max(0, static_cast<int>(std::bit_width(nanoseconds)) - (kBitsPerOctave + 1));
  return static_cast<size_t>(static_cast<uint64_t>(shift) * kPerOctave + (nanoseconds >> shift));
}

absl::Duration MiddleOf(size_t bucket) {
  const uint64_t shift = bucket < 2 * kPerOctave ? 0 : bucket / kPerOctave - 1;
  const uint64_t begin = (bucket - shift * kPerOctave) << shift;
  const uint64_t width = uint64_t{1} << shift;
  return absl::Nanoseconds(begin + width / 2);
}

}  // namespace

void Histogram::Add(absl::Duration duration, uint64_t count) {
  if (count == 0) return;
  duration = std::clamp(duration, absl::ZeroDuration(), absl::Nanoseconds(kLongest));
  const size_t bucket = BucketOf(static_cast<uint64_t>(absl::ToInt64Nanoseconds(duration)));
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  buckets_[bucket] += count;
  count_ += count;
  sum_ += duration * static_cast<double>(count);
  max_ = std::max(max_, duration);
}

void Histogram::Merge(const Histogram& other) {
  buckets_.resize(std::max(buckets_.size(), other.buckets_.size()));
  for (size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

absl::Duration Histogram::Mean() const {
  return count_ == 0 ? absl::ZeroDuration() : sum_ / static_cast<double>(count_);
}

absl::Duration Histogram::Quantile(double q) const {
  const auto rank =
      std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(q * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) return std::min(max_, MiddleOf(bucket));
  }
  return max_;
}

}  // namespace strided::client
