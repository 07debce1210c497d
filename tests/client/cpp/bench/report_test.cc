#include "client/cpp/bench/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/command/outcome.h"
#include "client/cpp/error_details.h"
#include "tests/client/cpp/rich_status.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ReportHeading Heading(const LoadPlan& plan) {
  ReportHeading heading = {.address = "127.0.0.1:1", .plan = plan, .threads = 1, .channels = 2};
  heading.model.set_name("text");
  heading.model.set_version("1");
  return heading;
}

// A window of 2 s: 10 requests, one refused; 2,048 messages of 4 tokens and 2 KiB each.
LoadResult SomeResult() {
  LoadResult result;
  result.window = absl::Seconds(2);
  result.client_cores = 0.25;
  result.busiest_loop = {.works = 0.2, .waits = 0.1};
  Measurements& m = result.measurements;
  m.ok = 9;
  m.refused = 1;
  m.cut = 3;
  m.errors[{"UNAVAILABLE", "QUEUE_FULL"}] = {1, "the queue is full"};
  m.errors[{"INVALID_ARGUMENT", "INVALID_ARGUMENT"}] = {2, "top_p is 7"};
  m.first_error = StatusOfCall(
      RichStatus(grpc::StatusCode::UNAVAILABLE, "the queue is full").Reason("QUEUE_FULL").Build());
  m.messages = 2'048;
  m.message_bytes = 4 << 20;
  m.tokens = 8'192;
  m.time_to_first_token.Add(absl::Milliseconds(20), 9);
  m.inter_token_time.Add(absl::Milliseconds(1), 8'000);
  return result;
}

TEST(ReportTest, TheTableSaysWhatWasMeasured) {
  const std::string table =
      ReportTable(Heading({.streams = 4, .warmup = absl::Seconds(1)}), SomeResult());
  for (const char* line :
       {"model        text/1 at 127.0.0.1:1, Generate\n",
        "load         closed loop, 4 streams, 2 x connection, 1 x thread\n",
        "window       2.00 s after 1.00 s of warm-up\n",
        "requests     ok 9, refused 1, failed 0, cut at the end 3\n",
        "  1 x UNAVAILABLE QUEUE_FULL: the queue is full\n", "  2 x INVALID_ARGUMENT: top_p is 7\n",
        "tokens       8,192, 4,096 tokens/s\n",
        "messages     2,048, 1,024 messages/s, 4.00 tokens each, 4.00 MiB, 2.00 MiB/s\n",
        "milliseconds               mean        p50        p90        p95        p99      p99.9"
        "        max        count\n",
        "time to first token        20.0       20.0       20.0       20.0       20.0       20.0"
        "       20.0            9\n"}) {
    EXPECT_THAT(table, HasSubstr(line));
  }
  EXPECT_THAT(table, HasSubstr("client       0.25 of "));
  EXPECT_THAT(table, Not(HasSubstr("the limit")));
}

TEST(ReportTest, AnOpenLoopIsNamedByItsRate) {
  EXPECT_THAT(ReportTable(Heading({.arrival_rate = 20.0}), SomeResult()),
              HasSubstr("load         open loop, 20.0 requests/s, 2 x connection, 1 x thread\n"));
}

TEST(ReportTest, ABusyClientIsPointedOut) {
  LoadResult result = SomeResult();
  result.busiest_loop = {.works = 0.4, .waits = 0.5};
  EXPECT_THAT(
      ReportTable(Heading({}), result),
      HasSubstr("works 40 % of the time and waits for a core 50 %: the client may be the limit\n"));
}

TEST(ReportTest, TheJsonSaysTheSameInSeconds) {
  const Json json = ReportJson(Heading({.streams = 4, .warmup = absl::Seconds(1)}), SomeResult());
  EXPECT_EQ(json["model"], "text");
  EXPECT_EQ(json["loop"], "closed");
  EXPECT_EQ(json["streams"], 4);
  EXPECT_EQ(json["window"], 2.0);
  EXPECT_EQ(json["requests"], Json({{"ok", 9}, {"refused", 1}, {"failed", 0}, {"cut", 3}}));
  EXPECT_EQ(json["errors"][1], Json({{"code", "UNAVAILABLE"},
                                     {"reason", "QUEUE_FULL"},
                                     {"count", 1},
                                     {"message", "the queue is full"}}));
  EXPECT_EQ(json["tokens_per_second"], 4'096.0);
  EXPECT_EQ(json["messages_per_second"], 1'024.0);
  EXPECT_EQ(json["message_bytes"], 4 << 20);
  EXPECT_EQ(json["time_to_first_token"]["count"], 9);
  EXPECT_EQ(json["time_to_first_token"]["max"], 0.02);
  EXPECT_NEAR(json["inter_token_time"]["p99.9"], 0.001, 0.001 * Histogram::kRelativeError);
  EXPECT_EQ(json["client"]["cores_used"], 0.25);
  EXPECT_EQ(json["client"]["busiest_thread_waits"], 0.1);
}

TEST(ReportTest, NoWindowHasNoRatesAndNoTimes) {
  const LoadResult nothing;
  EXPECT_EQ(ReportJson(Heading({}), nothing)["tokens_per_second"], 0.0);
  EXPECT_THAT(ReportTable(Heading({}), nothing), HasSubstr("tokens       0, 0 tokens/s\n"));
  EXPECT_THAT(ReportTable(Heading({}), nothing),
              HasSubstr("\nrequest time                  -          -          -          -"
                        "          -          -          -            0\n"));
  EXPECT_EQ(ReportJson(Heading({}), nothing)["request_time"], Json({{"count", 0}}));
}

TEST(ReportTest, TheFirstErrorIsTheOutcomeWithItsDetails) {
  EXPECT_TRUE(OutcomeOf({}).ok());
  const absl::Status outcome = OutcomeOf(SomeResult().measurements);
  EXPECT_EQ(ErrorLine(outcome, "stride-bench"),
            "stride-bench: UNAVAILABLE: 1 of 10 requests did not end well; the first: the queue is "
            "full (reason QUEUE_FULL)\n");
  EXPECT_EQ(ExitCodeOf(outcome), kExitFailed);
}

TEST(ReportTest, ACancellationByTheServerIsNoInterruption) {
  Measurements m;
  m.failed = 1;
  m.first_error = absl::CancelledError("by the server");
  EXPECT_EQ(ExitCodeOf(OutcomeOf(m)), kExitFailed);
}

}  // namespace
}  // namespace strided::client
