#include "client/cpp/retry.h"

#include <gtest/gtest.h>

#include "client/cpp/error_details.h"
#include "tests/client/cpp/rich_status.h"

namespace strided::client {
namespace {

absl::Status Busy(int retry_milliseconds) {
  return StatusOfCall(
      RichStatus(grpc::StatusCode::UNAVAILABLE, "busy").RetryIn(retry_milliseconds).Build());
}

TEST(RetryTest, TheWaitDoublesUpToItsLimit) {
  const RetryPolicy policy = {.first_wait = absl::Milliseconds(100),
                              .longest_wait = absl::Seconds(1)};
  const absl::Status lost = absl::UnavailableError("connection lost");
  EXPECT_EQ(WaitBefore(0, lost, policy), absl::Milliseconds(100));
  EXPECT_EQ(WaitBefore(1, lost, policy), absl::Milliseconds(200));
  EXPECT_EQ(WaitBefore(3, lost, policy), absl::Milliseconds(800));
  EXPECT_EQ(WaitBefore(4, lost, policy), absl::Seconds(1));
  EXPECT_EQ(WaitBefore(100'000, lost, policy), absl::Seconds(1));
}

TEST(RetryTest, TheServersOwnDelayWinsWhereItIsLonger) {
  const RetryPolicy policy;
  EXPECT_EQ(WaitBefore(0, Busy(7000), policy), absl::Seconds(7));
  EXPECT_EQ(WaitBefore(0, Busy(1), policy), policy.first_wait);
}

TEST(RetryTest, AServerCannotMakeAClientWaitForHours) {
  EXPECT_EQ(WaitBefore(0, Busy(86'400'000), RetryPolicy()), absl::Minutes(1));
}

TEST(RetryTest, OnlyUnavailableMaySucceedLater) {
  EXPECT_TRUE(MaySucceedLater(absl::UnavailableError("draining")));
  EXPECT_FALSE(MaySucceedLater(absl::InternalError("device fault")));
  EXPECT_FALSE(MaySucceedLater(absl::AbortedError("slow reader")));
  EXPECT_FALSE(MaySucceedLater(absl::OkStatus()));
}

}  // namespace
}  // namespace strided::client
