#include "client/cpp/bench/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace strided::client {
namespace {

const absl::Time kBegin = absl::FromUnixSeconds(1'000);
absl::Time At(double seconds) { return kBegin + absl::Seconds(seconds); }

// All requests that are due by `now` begin.
int BeginAllDue(Schedule& schedule, absl::Time now) {
  int begun = 0;
  for (; schedule.next_due() <= now; ++begun) schedule.Begin();
  return begun;
}

std::vector<absl::Time> Arrivals(const LoadPlan& plan) {
  Schedule schedule(plan, kBegin);
  std::vector<absl::Time> arrivals;
  while (schedule.next_due() < absl::InfiniteFuture()) arrivals.push_back(schedule.Begin());
  return arrivals;
}

TEST(ScheduleTest, AClosedLoopHasItsStreamsBusyAndNoMore) {
  Schedule schedule({.streams = 3, .duration = absl::Seconds(60)}, kBegin);
  EXPECT_EQ(BeginAllDue(schedule, At(0)), 3);
  EXPECT_EQ(schedule.next_due(), absl::InfiniteFuture());
  schedule.End(At(0), At(2), absl::ZeroDuration());
  EXPECT_EQ(schedule.next_due(), At(2));
  EXPECT_EQ(BeginAllDue(schedule, At(2)), 1);
  EXPECT_EQ(schedule.next_due(), absl::InfiniteFuture());
}

TEST(ScheduleTest, AStreamThinksAndWaitsAsLongAsTheServerAsks) {
  Schedule schedule({.think_time = absl::Seconds(2), .duration = absl::Seconds(60)}, kBegin);
  schedule.Begin();
  schedule.End(At(0), At(1), absl::ZeroDuration());
  EXPECT_EQ(schedule.next_due(), At(3));
  schedule.Begin();
  schedule.End(At(3), At(4), absl::Seconds(5));
  EXPECT_EQ(schedule.next_due(), At(9));
}

TEST(ScheduleTest, TheWindowFollowsTheWarmUpAndLastsForItsDuration) {
  Schedule schedule({.warmup = absl::Seconds(2), .duration = absl::Seconds(10)}, kBegin);
  EXPECT_EQ(schedule.window_begin(), At(2));
  EXPECT_EQ(schedule.window_end(), At(12));
  EXPECT_FALSE(schedule.Counts(At(1.9)));
  EXPECT_TRUE(schedule.Counts(At(2)));
  EXPECT_FALSE(schedule.Over(At(11.9)));
  EXPECT_TRUE(schedule.Over(At(12)));
}

TEST(ScheduleTest, NoRequestIsDueAtOrAfterTheWindowsEnd) {
  Schedule schedule({.duration = absl::Seconds(10)}, kBegin);
  schedule.Begin();
  schedule.End(At(0), At(10), absl::ZeroDuration());
  EXPECT_EQ(schedule.next_due(), absl::InfiniteFuture());
}

TEST(ScheduleTest, OnlyRequestsAfterTheWarmUpAreCountedDown) {
  Schedule schedule({.streams = 2, .warmup = absl::Seconds(5), .requests = 2}, kBegin);
  EXPECT_EQ(schedule.window_end(), absl::InfiniteFuture());
  EXPECT_EQ(BeginAllDue(schedule, At(0)), 2);
  schedule.End(At(0), At(5), absl::ZeroDuration());
  schedule.End(At(0), At(5), absl::ZeroDuration());
  EXPECT_FALSE(schedule.Over(At(5)));
  EXPECT_EQ(BeginAllDue(schedule, At(5)), 2);
  schedule.End(At(5), At(6), absl::ZeroDuration());
  EXPECT_EQ(schedule.next_due(), absl::InfiniteFuture());  // both have begun
  EXPECT_FALSE(schedule.Over(At(6)));
  schedule.End(At(5), At(7), absl::ZeroDuration());
  EXPECT_TRUE(schedule.Over(At(7)));
}

TEST(ScheduleTest, AnOpenLoopDoesNotWaitForRequestsToEnd) {
  const LoadPlan plan = {.arrival_rate = 100, .duration = absl::Seconds(10)};
  EXPECT_GT(Arrivals(plan).size(), 900u);  // none has ended
  EXPECT_LT(Arrivals(plan).back(), At(10));
}

TEST(ScheduleTest, ArrivalsArePoisson) {
  const LoadPlan plan = {.arrival_rate = 50, .duration = absl::Seconds(2'000)};
  const std::vector<absl::Time> arrivals = Arrivals(plan);
  // Of n exponential gaps, the mean is within 5 / sqrt(n) of 1 / rate, and so is the deviation,
  // but for one seed in a million; the seed is fixed.
  double sum = 0;
  double squares = 0;
  for (size_t i = 1; i < arrivals.size(); ++i) {
    const double gap = absl::ToDoubleSeconds(arrivals[i] - arrivals[i - 1]) * 50;
    EXPECT_GE(gap, 0);
    sum += gap;
    squares += gap * gap;
  }
  const auto count = static_cast<double>(arrivals.size() - 1);
  const double mean = sum / count;
  EXPECT_NEAR(mean, 1, 5 / std::sqrt(count));
  EXPECT_NEAR(squares / count - mean * mean, 1, 15 / std::sqrt(count));
}

TEST(ScheduleTest, TheSeedRepeatsTheArrivals) {
  LoadPlan plan = {.arrival_rate = 5, .duration = absl::Seconds(100), .seed = 7};
  const std::vector<absl::Time> first = Arrivals(plan);
  EXPECT_EQ(Arrivals(plan), first);
  plan.seed = 8;
  EXPECT_NE(Arrivals(plan), first);
}

TEST(ScheduleTest, SharesAddUpToThePlan) {
  const LoadPlan plan = {.streams = 10, .arrival_rate = 6.0, .requests = 5};
  int streams = 0;
  uint64_t requests = 0;
  double rate = 0;
  for (int i = 0; i < 4; ++i) {
    const LoadPlan share = ShareOf(plan, i, 4);
    EXPECT_GE(share.streams, 2);
    streams += share.streams;
    requests += *share.requests;
    rate += *share.arrival_rate;
    EXPECT_EQ(share.seed, plan.seed + static_cast<uint64_t>(i));  // else arrivals would coincide
  }
  EXPECT_EQ(streams, 10);
  EXPECT_EQ(requests, 5u);
  EXPECT_DOUBLE_EQ(rate, 6);
}

TEST(ScheduleTest, AShareOfNoRequestsIsOverAtOnce) {
  const Schedule schedule(ShareOf({.streams = 2, .requests = 1}, 1, 2), kBegin);
  EXPECT_TRUE(schedule.Over(kBegin));
  EXPECT_EQ(schedule.next_due(), absl::InfiniteFuture());
}

}  // namespace
}  // namespace strided::client
