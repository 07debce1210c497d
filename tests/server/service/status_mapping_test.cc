#include "server/service/status_mapping.h"

#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/base/error_detail.h"

namespace strided {
namespace {

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

// The detail of type T; a default one, and a failure, where there is none.
template <typename T>
T Detail(const grpc::Status& status) {
  T found;
  const google::rpc::Status details = Details(status);
  for (const google::protobuf::Any& detail : details.details()) {
    if (detail.UnpackTo(&found)) return found;
  }
  ADD_FAILURE() << "no " << T::descriptor()->full_name();
  return found;
}

TEST(StatusMappingTest, SuccessHasNoDetails) {
  const grpc::Status status = ToGrpcStatus(absl::OkStatus());
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.error_details(), "");
}

TEST(StatusMappingTest, CodeTextAndDetailsAgree) {
  const grpc::Status status = ToGrpcStatus(absl::NotFoundError("no model x"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "no model x");
  EXPECT_EQ(Details(status).code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Details(status).message(), "no model x");
  EXPECT_EQ(Details(status).details_size(), 1);
}

TEST(StatusMappingTest, AnErrorWithoutAReasonHasItsCodesName) {
  const auto info = Detail<google::rpc::ErrorInfo>(ToGrpcStatus(absl::InternalError("x")));
  EXPECT_EQ(info.domain(), "strided");
  EXPECT_EQ(info.reason(), "INTERNAL");
}

TEST(StatusMappingTest, ReasonAndMetadataAreCarriedOver) {
  const grpc::Status status = ToGrpcStatus(
      WithReason(absl::UnavailableError("full"),
                 {.reason = "QUEUE_FULL", .metadata = {{"limit", "8"}, {"given", "9"}}}));
  const auto info = Detail<google::rpc::ErrorInfo>(status);
  EXPECT_EQ(info.reason(), "QUEUE_FULL");
  EXPECT_EQ(info.metadata().at("limit"), "8");
  EXPECT_EQ(info.metadata().at("given"), "9");
}

TEST(StatusMappingTest, AFieldBecomesABadRequest) {
  const grpc::Status status =
      ToGrpcStatus(WithField(absl::InvalidArgumentError("sampling.top_p is 2"), "sampling.top_p"));
  const auto bad_request = Detail<google::rpc::BadRequest>(status);
  ASSERT_EQ(bad_request.field_violations_size(), 1);
  EXPECT_EQ(bad_request.field_violations(0).field(), "sampling.top_p");
  EXPECT_EQ(bad_request.field_violations(0).description(), "sampling.top_p is 2");
}

TEST(StatusMappingTest, ADelayBecomesARetryInfo) {
  const grpc::Status status =
      ToGrpcStatus(WithRetryAfter(absl::UnavailableError("later"), absl::Milliseconds(2500)));
  EXPECT_EQ(Detail<google::rpc::RetryInfo>(status).retry_delay().seconds(), 2);
  EXPECT_EQ(Detail<google::rpc::RetryInfo>(status).retry_delay().nanos(), 500'000'000);
}

TEST(StatusMappingTest, AUsedUpQuotaBecomesAQuotaFailure) {
  const grpc::Status status = ToGrpcStatus(
      WithReason(absl::ResourceExhaustedError("2 of 2 requests"),
                 {.reason = "QUOTA_EXCEEDED", .metadata = {{"subject", "tenant:blue"}}}));
  const auto failure = Detail<google::rpc::QuotaFailure>(status);
  ASSERT_EQ(failure.violations_size(), 1);
  EXPECT_EQ(failure.violations(0).subject(), "tenant:blue");
}

TEST(StatusMappingTest, ALongTextIsCutBetweenCharacters) {
  const std::string text = std::string(1023, 'x') + "\u00e9 and much more";
  const grpc::Status status = ToGrpcStatus(absl::InvalidArgumentError(text));
  EXPECT_EQ(status.error_message(), std::string(1023, 'x') + "...");
  EXPECT_LT(status.error_details().size(), 4096U);
}

TEST(StatusMappingTest, EveryEndHasItsOutcome) {
  const absl::Status draining =
      WithReason(absl::UnavailableError("x"), {.reason = "DRAINING", .metadata = {}});
  const absl::Status queue_full =
      WithReason(absl::UnavailableError("x"), {.reason = "QUEUE_FULL", .metadata = {}});
  EXPECT_EQ(OutcomeOf(absl::OkStatus()), RequestOutcome::kOk);
  EXPECT_EQ(OutcomeOf(absl::CancelledError("")), RequestOutcome::kCancelled);
  EXPECT_EQ(OutcomeOf(absl::DeadlineExceededError("")), RequestOutcome::kDeadline);
  EXPECT_EQ(OutcomeOf(absl::InvalidArgumentError("")), RequestOutcome::kInvalid);
  EXPECT_EQ(OutcomeOf(absl::FailedPreconditionError("")), RequestOutcome::kInvalid);
  EXPECT_EQ(OutcomeOf(absl::ResourceExhaustedError("")), RequestOutcome::kRejectedQuota);
  EXPECT_EQ(OutcomeOf(absl::AbortedError("")), RequestOutcome::kSlowReader);
  EXPECT_EQ(OutcomeOf(absl::InternalError("")), RequestOutcome::kEngineError);
  EXPECT_EQ(OutcomeOf(draining), RequestOutcome::kDraining);
  EXPECT_EQ(OutcomeOf(queue_full), RequestOutcome::kRejectedQueue);
  EXPECT_EQ(OutcomeOf(absl::UnavailableError("")), RequestOutcome::kEngineError);
}

}  // namespace
}  // namespace strided
