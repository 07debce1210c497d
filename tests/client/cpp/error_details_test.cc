#include "client/cpp/error_details.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/cpp/rich_status.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(ErrorDetailsTest, CodeAndTextAreKept) {
  EXPECT_THAT(StatusOfCall({grpc::StatusCode::NOT_FOUND, "no model"}),
              StatusIs(absl::StatusCode::kNotFound, "no model"));
  EXPECT_OK(StatusOfCall(grpc::Status::OK));
}

TEST(ErrorDetailsTest, EveryDetailIsRead) {
  const ErrorDetails details =
      DetailsOf(StatusOfCall(RichStatus(grpc::StatusCode::RESOURCE_EXHAUSTED, "too much")
                                 .Reason("OVER_QUOTA")
                                 .Field("sampling.top_p")
                                 .Quota("tenant a", "2 of 1 requests")
                                 .RetryIn(1500)
                                 .Build()));
  EXPECT_EQ(details.reason, "OVER_QUOTA");
  EXPECT_EQ(details.domain, "strided");
  EXPECT_THAT(details.metadata, ElementsAre(Pair("limit", "7")));
  ASSERT_EQ(details.fields.size(), 1U);
  EXPECT_EQ(details.fields[0].field, "sampling.top_p");
  EXPECT_THAT(details.quotas, ElementsAre("tenant a: 2 of 1 requests"));
  EXPECT_EQ(details.retry_delay, absl::Milliseconds(1500));
}

TEST(ErrorDetailsTest, AnErrorWithoutDetailsHasNone) {
  const ErrorDetails details = DetailsOf(StatusOfCall({grpc::StatusCode::UNAVAILABLE, "lost"}));
  EXPECT_THAT(details.reason, IsEmpty());
  EXPECT_FALSE(details.retry_delay.has_value());
}

TEST(ErrorDetailsTest, MalformedDetailsDoNotHideTheError) {
  const absl::Status status =
      StatusOfCall({grpc::StatusCode::ABORTED, "slow reader", "\xff\xff not a message"});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted, "slow reader"));
  EXPECT_THAT(DetailsOf(status).reason, IsEmpty());
}

TEST(ErrorDetailsTest, ANegativeDelayIsNone) {
  const grpc::Status status =
      RichStatus(grpc::StatusCode::UNAVAILABLE, "busy").RetryIn(-3000).Build();
  EXPECT_EQ(DetailsOf(StatusOfCall(status)).retry_delay, absl::ZeroDuration());
}

}  // namespace
}  // namespace strided::client
