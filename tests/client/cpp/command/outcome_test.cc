#include "client/cpp/command/outcome.h"

#include <gtest/gtest.h>

#include "client/cpp/error_details.h"
#include "tests/client/cpp/rich_status.h"

namespace strided::client {
namespace {

absl::Status FromServer(const RichStatus& status) { return StatusOfCall(status.Build()); }

TEST(OutcomeTest, ARefusalIsOneLineWithItsReasonAndDelay) {
  const absl::Status status =
      FromServer(RichStatus(grpc::StatusCode::UNAVAILABLE, "the queue is full")
                     .Reason("QUEUE_FULL")
                     .RetryIn(1500));
  EXPECT_EQ(ErrorLine(status),
            "stride: UNAVAILABLE: the queue is full (reason QUEUE_FULL, retry in 1.50 s)\n");
  EXPECT_EQ(ExitCodeOf(status), kExitFailed);
}

TEST(OutcomeTest, TheFieldComesFirstAndOnce) {
  const auto refused = [](const std::string& text) {
    return ErrorLine(FromServer(RichStatus(grpc::StatusCode::INVALID_ARGUMENT, text)
                                    .Field("sampling.top_p")
                                    .Reason("INVALID_ARGUMENT")));
  };
  EXPECT_EQ(refused("must lie in (0, 1]"),
            "stride: INVALID_ARGUMENT: sampling.top_p: must lie in (0, 1]\n");
  EXPECT_EQ(refused("sampling.top_p is 1.5"), "stride: INVALID_ARGUMENT: sampling.top_p is 1.5\n");
}

TEST(OutcomeTest, AnExceededQuotaIsNamed) {
  EXPECT_EQ(ErrorLine(FromServer(RichStatus(grpc::StatusCode::RESOURCE_EXHAUSTED, "over quota")
                                     .Quota("tenant a", "2 of 1 requests"))),
            "stride: RESOURCE_EXHAUSTED: over quota (quota tenant a: 2 of 1 requests)\n");
}

TEST(OutcomeTest, ALostConnectionIsUnreachable) {
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("failed to connect")), kExitUnreachable);
}

TEST(OutcomeTest, UsageHasNoCodeOfTheServer) {
  const absl::Status status = UsageError("--top-k: 'x' is not a whole number");
  EXPECT_EQ(ErrorLine(status), "stride: --top-k: 'x' is not a whole number\n");
  EXPECT_EQ(ExitCodeOf(status), kExitUsage);
}

TEST(OutcomeTest, AnInterruptIsNoFailureOfTheServer) {
  EXPECT_EQ(ErrorLine(absl::CancelledError("CANCELLED")), "stride: interrupted\n");
  EXPECT_EQ(ExitCodeOf(absl::CancelledError("CANCELLED")), kExitInterrupted);
}

TEST(OutcomeTest, SuccessIsSilent) {
  EXPECT_EQ(ErrorLine(absl::OkStatus()), "");
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), kExitOk);
}

TEST(OutcomeTest, AServersTextCannotSteerTheTerminalOrMakeLines) {
  EXPECT_EQ(ErrorLine(absl::InternalError("a\nb\x1b[2J\xff")),
            "stride: INTERNAL: a b\xe2\x90\x9b[2J\xef\xbf\xbd\n");
}

}  // namespace
}  // namespace strided::client
