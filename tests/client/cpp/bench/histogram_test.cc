#include "client/cpp/bench/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace strided::client {
namespace {

// The exact quantile: the smallest element that is at least as long as a share q of all.
absl::Duration ExactQuantile(std::vector<absl::Duration> sorted, double q) {
  std::sort(sorted.begin(), sorted.end());
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

TEST(HistogramTest, NothingHasNoTimes) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.Quantile(0.5), absl::ZeroDuration());
  EXPECT_EQ(histogram.Mean(), absl::ZeroDuration());
  EXPECT_EQ(histogram.max(), absl::ZeroDuration());
}

TEST(HistogramTest, EveryDurationIsWithinTheStatedErrorOfItself) {
  for (int64_t nanoseconds = 1; nanoseconds < (int64_t{1} << 62);
       nanoseconds += nanoseconds / 3 + 1) {
    Histogram histogram;
    histogram.Add(absl::Nanoseconds(nanoseconds));
    // A longer one, so that the maximum does not bound the quantile.
    histogram.Add(absl::Nanoseconds(int64_t{1} << 62), 1);
    const double found = absl::ToDoubleNanoseconds(histogram.Quantile(0.5));
    const auto exact = static_cast<double>(nanoseconds);
    EXPECT_LE(std::abs(found - exact), exact * Histogram::kRelativeError) << nanoseconds;
  }
}

TEST(HistogramTest, QuantilesAreWithinTheStatedErrorOfTheExactOnes) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> milliseconds(2.0, 1.5);
  std::vector<absl::Duration> durations;
  Histogram histogram;
  for (int i = 0; i < 100'000; ++i) {
    durations.push_back(absl::Milliseconds(milliseconds(random)));
    histogram.Add(durations.back());
  }
  for (const double q : {0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
    const absl::Duration exact = ExactQuantile(durations, q);
    // A nanosecond for what the durations have below it.
    EXPECT_LE(absl::AbsDuration(histogram.Quantile(q) - exact),
              exact * Histogram::kRelativeError + absl::Nanoseconds(1))
        << q;
  }
  EXPECT_EQ(histogram.max(), ExactQuantile(durations, 1.0));
}

TEST(HistogramTest, ACountStandsForSoManyDurations) {
  Histogram histogram;
  histogram.Add(absl::Nanoseconds(100), 99);
  histogram.Add(absl::Nanoseconds(200));
  histogram.Add(absl::Seconds(5), 0);
  EXPECT_EQ(histogram.count(), 100u);
  EXPECT_EQ(histogram.Quantile(0.99), absl::Nanoseconds(100));
  EXPECT_EQ(histogram.Quantile(0.991), absl::Nanoseconds(200));
  EXPECT_EQ(histogram.max(), absl::Nanoseconds(200));
  EXPECT_EQ(histogram.Mean(), absl::Nanoseconds(101));
}

TEST(HistogramTest, NoQuantileIsLongerThanTheLongest) {
  Histogram histogram;
  histogram.Add(absl::Nanoseconds(1 << 20));  // the least of its bucket
  EXPECT_EQ(histogram.Quantile(1.0), histogram.max());
}

TEST(HistogramTest, NegativeDurationsCountAsZeroAndEndlessOnesAsTheLongest) {
  Histogram histogram;
  histogram.Add(-absl::Seconds(1));
  EXPECT_EQ(histogram.max(), absl::ZeroDuration());
  histogram.Add(absl::InfiniteDuration());
  EXPECT_EQ(histogram.max(), absl::Nanoseconds(int64_t{1} << 62));
  EXPECT_EQ(histogram.count(), 2u);
}

TEST(HistogramTest, MergedIsAsIfAllHadBeenAddedToOne) {
  Histogram whole;
  Histogram even;
  Histogram odd;
  for (int i = 0; i < 1'000; ++i) {
    whole.Add(absl::Microseconds(i * i));
    (i % 2 == 0 ? even : odd).Add(absl::Microseconds(i * i));
  }
  even.Merge(odd);
  EXPECT_EQ(even.count(), whole.count());
  EXPECT_EQ(even.Mean(), whole.Mean());
  EXPECT_EQ(even.max(), whole.max());
  for (const double q : {0.1, 0.5, 0.99}) EXPECT_EQ(even.Quantile(q), whole.Quantile(q));
}

}  // namespace
}  // namespace strided::client
