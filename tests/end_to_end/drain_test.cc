// How the real server ends: SIGTERM, a second one, and an engine that hangs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/end_to_end/running_server.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using ::testing::HasSubstr;

// A stream that has begun.
struct OpenStream {
  OpenStream(v1::SamplingService::Stub& stub, const v1::GenerateRequest& request)
      : reader(stub.Generate(&context, request)) {
    v1::GenerateResponse started;
    EXPECT_TRUE(reader->Read(&started));
    EXPECT_TRUE(started.has_started());
  }
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>> reader;
};

// A watch of the server's health, which sends what changes.
struct HealthWatch {
  explicit HealthWatch(const RunningServer& server)
      : stub(Health::NewStub(server.NewChannel())), reader(stub->Watch(&context, {})) {}
  HealthCheckResponse::ServingStatus Next() {
    HealthCheckResponse response;
    return reader->Read(&response) ? response.status() : HealthCheckResponse::UNKNOWN;
  }
  grpc::ClientContext context;
  std::unique_ptr<Health::Stub> stub;
  std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> reader;
};

TEST(DrainTest, SigtermLosesNothingThatWasAdmitted) {
  RunningServer server({"--max_sequences=4"});
  ASSERT_TRUE(server.ready());
  auto stub = server.NewStub();
  const std::string alone = Generate(*stub, RequestFor(2000, 3)).raw;
  std::vector<std::unique_ptr<OpenStream>> streams;  // more than run at once: some wait
  for (int i = 0; i < 12; ++i) {
    streams.push_back(std::make_unique<OpenStream>(*stub, RequestFor(2000, 3)));
  }
  server.process().Signal(SIGTERM);
  for (const std::unique_ptr<OpenStream>& stream : streams) {
    const Received received = ReadAll(*stream->reader);
    EXPECT_TRUE(received.status.ok()) << received.status.error_message();
    EXPECT_TRUE(received.raw == alone) << "another stream than alone";
    EXPECT_TRUE(received.summary);
  }
  stub.reset();  // a channel without calls may take its time to see that the server ends
  EXPECT_THAT(server.process().AwaitExit(), IsOkAndHolds(0));
  EXPECT_THAT(server.process().output(), HasSubstr("\"drained\",\"requests_cut\":0"));
}

TEST(DrainTest, RequestsAreAcceptedDuringTheDelay) {
  RunningServer server({"--drain_delay=1h"});
  ASSERT_TRUE(server.ready());
  HealthWatch health(server);
  EXPECT_EQ(health.Next(), HealthCheckResponse::SERVING);
  server.process().Signal(SIGTERM);
  EXPECT_EQ(health.Next(), HealthCheckResponse::NOT_SERVING);
  EXPECT_TRUE(Generate(*server.NewStub(), RequestFor(3)).status.ok());
}

TEST(DrainTest, RequestsAreRefusedAfterTheDelay) {
  RunningServer server({"--drain_delay=100ms"});
  ASSERT_TRUE(server.ready());
  const auto stub = server.NewStub();
  HealthWatch health(server);
  EXPECT_EQ(health.Next(), HealthCheckResponse::SERVING);
  OpenStream endless(*stub, RequestFor(kContextLength));  // holds the drain up until it is cut
  server.process().Signal(SIGTERM);
  EXPECT_EQ(health.Next(), HealthCheckResponse::NOT_SERVING);

  grpc::Status refusal;
  ASSERT_TRUE(Eventually([&] {
    refusal = Generate(*stub, RequestFor(3)).status;
    return !refusal.ok();
  }));
  EXPECT_EQ(refusal.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(refusal), "DRAINING");
  v1::GenerateResponse message;
  EXPECT_TRUE(endless.reader->Read(&message)) << "an admitted stream does not go on";

  endless.context.TryCancel();
  EXPECT_THAT(server.process().AwaitExit(), IsOkAndHolds(0));
  EXPECT_EQ(health.Next(), HealthCheckResponse::UNKNOWN) << "the watch does not end";
}

TEST(DrainTest, AfterTheGraceStreamsAreCut) {
  RunningServer server({"--drain_grace=100ms"});
  ASSERT_TRUE(server.ready());
  const auto stub = server.NewStub();
  OpenStream endless(*stub, RequestFor(kContextLength));
  server.process().Signal(SIGTERM);
  const Received received = ReadAll(*endless.reader);
  EXPECT_FALSE(received.status.ok());
  EXPECT_FALSE(received.summary);
  EXPECT_THAT(server.process().AwaitExit(), IsOkAndHolds(0));
  EXPECT_THAT(server.process().output(), HasSubstr("\"requests_cut\":1"));
}

TEST(DrainTest, ASecondSignalEndsAtOnce) {
  for (const int second : {SIGTERM, SIGINT}) {
    RunningServer server;
    ASSERT_TRUE(server.ready());
    OpenStream endless(*server.NewStub(), RequestFor(kContextLength));
    server.process().Signal(SIGTERM);
    ASSERT_OK(server.process().AwaitLine("\"draining\""));
    server.process().Signal(second);
    EXPECT_THAT(server.process().AwaitExit(), IsOkAndHolds(128 + second));
  }
}

TEST(DrainTest, AnIdleServerEndsOnSigint) {
  RunningServer server;
  ASSERT_TRUE(server.ready());
  server.process().Signal(SIGINT);
  EXPECT_THAT(server.process().AwaitExit(), IsOkAndHolds(0));
}

TEST(DrainTest, AnIdleConnectionDoesNotHoldTheEndUp) {
  RunningServer server({"--drain_grace=24h"});
  ASSERT_TRUE(server.ready());
  const auto channel = server.NewChannel();
  ASSERT_TRUE(channel->WaitForConnected(absl::ToChronoTime(absl::Now() + kPatience)));
  server.process().Signal(SIGTERM);
  EXPECT_THAT(server.process().AwaitExit(), IsOkAndHolds(0));
}

}  // namespace
}  // namespace strided
