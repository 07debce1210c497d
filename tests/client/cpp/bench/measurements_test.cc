#include "client/cpp/bench/measurements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/error_details.h"
#include "tests/client/cpp/rich_status.h"

namespace strided::client {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

absl::Time At(int64_t milliseconds) { return absl::FromUnixMillis(milliseconds); }

// Buckets are as good as exact here: half of a bucket of 1 s is under 4 ms.
void ExpectNear(absl::Duration found, absl::Duration expected) {
  EXPECT_LE(absl::AbsDuration(found - expected), expected * Histogram::kRelativeError)
      << found << " for " << expected;
}

const Window kAlways = {absl::InfinitePast(), absl::InfiniteFuture()};

TEST(RequestMeterTest, ARequestIsTimedFromWhenItWasDue) {
  Measurements m;
  RequestMeter meter(At(1'000), &kAlways, &m);
  meter.CountStart(At(1'010));
  meter.CountMessage(30, At(1'100));  // Started
  meter.CountMessage(20, At(1'300));
  meter.CountTokens(0, 1, At(1'300));
  meter.CountEnd(absl::OkStatus(), false, At(1'900));
  EXPECT_EQ(m.start_delay.max(), absl::Milliseconds(10));
  EXPECT_EQ(m.time_to_first_token.max(), absl::Milliseconds(300));
  EXPECT_EQ(m.request_time.max(), absl::Milliseconds(900));
  EXPECT_EQ(m.ok, 1u);
  EXPECT_EQ(m.messages, 2u);
  EXPECT_EQ(m.message_bytes, 50u);
}

TEST(RequestMeterTest, TheTokensOfAMessageShareItsGap) {
  Measurements m;
  RequestMeter meter(At(0), &kAlways, &m);
  meter.CountTokens(0, 3, At(100));  // the first message: its tokens have no gap
  meter.CountTokens(0, 8, At(500));
  meter.CountTokens(0, 2, At(510));
  EXPECT_EQ(m.tokens, 13u);
  EXPECT_EQ(m.inter_token_time.count(), 10u);
  ExpectNear(m.inter_token_time.Quantile(0.2), absl::Milliseconds(5));    // 2 of 10
  ExpectNear(m.inter_token_time.Quantile(0.21), absl::Milliseconds(50));  // 8 of 10
  EXPECT_EQ(m.message_gap.count(), 2u);
  EXPECT_EQ(m.message_gap.max(), absl::Milliseconds(400));
}

TEST(RequestMeterTest, EachSampleHasGapsOfItsOwnAndTheFirstTokenIsTheRequests) {
  Measurements m;
  RequestMeter meter(At(0), &kAlways, &m);
  meter.CountTokens(1, 1, At(100));
  meter.CountTokens(0, 1, At(130));
  meter.CountTokens(1, 1, At(150));
  meter.CountTokens(0, 1, At(190));
  EXPECT_EQ(m.time_to_first_token.count(), 1u);
  EXPECT_EQ(m.time_to_first_token.max(), absl::Milliseconds(100));
  EXPECT_EQ(m.message_gap.count(), 2u);
  EXPECT_EQ(m.message_gap.max(), absl::Milliseconds(60));
}

TEST(RequestMeterTest, MessagesCountInTheWindowAndRequestsByWhenTheyWereDue) {
  Measurements m;
  const Window window = {At(1'000), At(2'000)};
  RequestMeter early(At(900), &window, &m);
  early.CountStart(At(900));
  early.CountMessage(1, At(950));
  early.CountTokens(0, 5, At(950));
  early.CountMessage(1, At(1'050));
  early.CountTokens(0, 5, At(1'050));
  early.CountEnd(absl::OkStatus(), false, At(1'060));
  EXPECT_EQ(m.tokens, 5u);
  EXPECT_EQ(m.messages, 1u);
  EXPECT_EQ(m.message_gap.max(), absl::Milliseconds(100));
  EXPECT_EQ(m.ok, 0u);
  EXPECT_EQ(m.start_delay.count() + m.time_to_first_token.count() + m.request_time.count(), 0u);

  RequestMeter late(At(1'900), &window, &m);
  late.CountMessage(1, At(2'000));
  late.CountTokens(0, 5, At(2'000));
  late.CountEnd(absl::CancelledError(), /*cut=*/true, At(2'010));
  EXPECT_EQ(m.tokens, 5u);
  EXPECT_EQ(m.time_to_first_token.count(), 0u);
  EXPECT_EQ(m.cut, 1u);
  EXPECT_TRUE(m.first_error.ok());
}

TEST(RequestMeterTest, ARefusalHasAReasonAndComesBeforeAnyMessage) {
  Measurements m;
  const absl::Status full = StatusOfCall(
      RichStatus(grpc::StatusCode::UNAVAILABLE, "the queue is full").Reason("QUEUE_FULL").Build());
  RequestMeter(At(0), &kAlways, &m).CountEnd(full, false, At(1));
  RequestMeter(At(0), &kAlways, &m).CountEnd(full, false, At(2));
  EXPECT_EQ(m.refused, 2u);
  RequestMeter(At(0), &kAlways, &m).CountEnd(absl::UnavailableError("lost"), false, At(3));
  RequestMeter broken(At(0), &kAlways, &m);
  broken.CountMessage(1, At(4));
  broken.CountEnd(full, false, At(5));
  EXPECT_EQ(m.refused, 2u);
  EXPECT_EQ(m.failed, 2u);
  EXPECT_THAT(m.errors,
              ElementsAre(Pair(Pair("UNAVAILABLE", ""), ::testing::Field(&ErrorCount::count, 1u)),
                          Pair(Pair("UNAVAILABLE", "QUEUE_FULL"),
                               ::testing::Field(&ErrorCount::count, 3u))));
  EXPECT_EQ(m.first_error, full);
  EXPECT_EQ(m.request_time.count(), 0u);
}

TEST(MeasurementsTest, MergedIsTheSumOfBoth) {
  Measurements a;
  Measurements b;
  RequestMeter first(At(0), &kAlways, &a);
  first.CountMessage(10, At(5));
  first.CountTokens(0, 2, At(5));
  first.CountEnd(absl::OkStatus(), false, At(7));
  RequestMeter second(At(0), &kAlways, &b);
  second.CountMessage(20, At(50));
  second.CountTokens(0, 3, At(50));
  second.CountEnd(absl::InternalError("fault"), false, At(70));
  a.Merge(b);
  EXPECT_EQ(a.ok, 1u);
  EXPECT_EQ(a.failed, 1u);
  EXPECT_EQ(a.messages, 2u);
  EXPECT_EQ(a.message_bytes, 30u);
  EXPECT_EQ(a.tokens, 5u);
  EXPECT_EQ(a.time_to_first_token.count(), 2u);
  EXPECT_EQ((a.errors[{"INTERNAL", ""}].message), "fault");
  EXPECT_EQ(a.first_error, absl::InternalError("fault"));
}

}  // namespace
}  // namespace strided::client
