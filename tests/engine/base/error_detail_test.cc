#include "engine/base/error_detail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/cord.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::Pair;

TEST(ErrorDetailTest, AStatusWithoutDetailsHasNone) {
  const absl::Status status = absl::InternalError("fault");
  EXPECT_FALSE(ReasonOf(status).has_value());
  EXPECT_FALSE(FieldOf(status).has_value());
  EXPECT_FALSE(RetryAfterOf(status).has_value());
}

TEST(ErrorDetailTest, DetailsLeaveTheCodeAndTheTextAlone) {
  const absl::Status status = WithRetryAfter(
      WithField(WithReason(absl::UnavailableError("full"), {"QUEUE_FULL", {}}), "prompt"),
      absl::Seconds(2));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, "full"));
}

TEST(ErrorDetailTest, AReasonComesBackWithItsMetadata) {
  const absl::Status status =
      WithReason(absl::InvalidArgumentError("too long"),
                 {"CONTEXT_LENGTH_EXCEEDED", {{"limit", "3072"}, {"given", "4000"}}});
  ASSERT_TRUE(ReasonOf(status).has_value());
  EXPECT_EQ(ReasonOf(status)->reason, "CONTEXT_LENGTH_EXCEEDED");
  EXPECT_THAT(ReasonOf(status)->metadata,
              ElementsAre(Pair("given", "4000"), Pair("limit", "3072")));
}

TEST(ErrorDetailTest, MetadataMayHoldAnyByte) {
  const std::string odd("3:a\0\n:\xff", 7);
  const absl::Status status = WithReason(absl::InternalError(""), {"ODD", {{odd, odd}, {"", ""}}});
  ASSERT_TRUE(ReasonOf(status).has_value());
  EXPECT_THAT(ReasonOf(status)->metadata, ElementsAre(Pair("", ""), Pair(odd, odd)));
}

TEST(ErrorDetailTest, ALaterReasonReplacesAnEarlierOne) {
  const absl::Status first =
      WithReason(absl::UnavailableError(""), {"QUEUE_FULL", {{"limit", "8"}}});
  const absl::Status second = WithReason(first, {"DRAINING", {}});
  ASSERT_TRUE(ReasonOf(second).has_value());
  EXPECT_EQ(ReasonOf(second)->reason, "DRAINING");
  EXPECT_THAT(ReasonOf(second)->metadata, IsEmpty());
}

TEST(ErrorDetailTest, AFieldComesBack) {
  const absl::Status status = WithField(absl::InvalidArgumentError("no"), "sampling.top_p");
  EXPECT_THAT(FieldOf(status), Optional(Eq("sampling.top_p")));
}

TEST(ErrorDetailTest, ADelayComesBackToTheNanosecond) {
  const absl::Duration delay = absl::Milliseconds(1500) + absl::Nanoseconds(1);
  EXPECT_THAT(RetryAfterOf(WithRetryAfter(absl::UnavailableError(""), delay)), Optional(delay));
}

TEST(ErrorDetailTest, AnOkStatusStaysBare) {
  EXPECT_FALSE(ReasonOf(WithReason(absl::OkStatus(), {"DRAINING", {}})).has_value());
  EXPECT_FALSE(FieldOf(WithField(absl::OkStatus(), "prompt")).has_value());
  EXPECT_FALSE(RetryAfterOf(WithRetryAfter(absl::OkStatus(), absl::Seconds(1))).has_value());
}

TEST(ErrorDetailTest, APayloadOfAnotherWriterIsNoReason) {
  absl::Status status = absl::InternalError("fault");
  for (const char* alien : {"", "12:short", "x:y", "-1:", "99999999999999999999:a", "1:a1:b"}) {
    status.SetPayload("strided/error_reason", absl::Cord(alien));
    EXPECT_FALSE(ReasonOf(status).has_value()) << alien;
  }
}

}  // namespace
}  // namespace strided
