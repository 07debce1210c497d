// Clients that are killed or frozen: whatever they had is given back.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/running_server.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

const std::string kEndless =
    absl::StrCat("sampling { max_new_tokens: ", kContextLength, " seed: 1 }");

// As kEndless, with so much of every token that a reader that stops is soon behind.
const std::string kLarge = absl::StrCat(kEndless, " output { top_logprobs: 32 }");

// The arguments of a client that makes such a call.
std::vector<std::string> Client(const RunningServer& server, const std::string& method,
                                const std::string& request, int messages = 1 << 30) {
  return {StreamClientProgram(), server.address(), method, request, absl::StrCat(messages)};
}

// At which point a client dies, and of which request.
struct Stage {
  std::string name;
  std::string method;
  std::string request;
  std::string last_line;   // that the client prints before it is killed
  int messages = 1 << 30;  // that it reads
};

std::vector<Stage> Stages() {
  const std::string prompt(100'000, 'p');
  const std::string long_prompt = absl::StrCat("prompt { raw: \"", prompt, "\" } ");
  return {
      {"as the call goes out", "generate", kEndless, "called"},
      {"before the first token", "generate", kEndless, "started"},
      {"during prefill", "generate",
       absl::StrCat(long_prompt, "sampling { max_new_tokens: 900000 }"), "started"},
      {"between tokens", "generate", kEndless, "delta"},
      {"with many samples", "generate",
       absl::StrCat("sampling { max_new_tokens: ", kContextLength, " samples: 16 seed: 1 }"),
       "delta"},
      {"after it has stopped to read", "generate", kLarge, "reads no more", 3},
      {"while it scores", "score", absl::StrCat("sequence { raw: \"", prompt, "\" }"), "called"},
      {"between scores", "score", absl::StrCat("sequence { raw: \"", prompt, "\" }"), "scores"},
  };
}

TEST(LostClientTest, AClientKilledAtAnyStageLeavesNothingBehind) {
  RunningServer server({"--max_sequences=16"});
  ASSERT_TRUE(server.ready());
  double calls = 0;
  for (const Stage& stage : Stages()) {
    ChildProcess client(Client(server, stage.method, stage.request, stage.messages));
    ASSERT_OK(client.AwaitLine(stage.last_line)) << stage.name;
    client.Signal(SIGKILL);
    EXPECT_THAT(client.AwaitExit(), IsOkAndHolds(128 + SIGKILL));
    EXPECT_TRUE(Eventually([&] { return server.NothingIsLeft(); })) << stage.name;
    const double reactors = server.Series(R"(strided_objects_created_total{object="reactor"})");
    if (stage.last_line != "called") {
      EXPECT_GT(reactors, calls) << stage.name;
    }
    calls = reactors;
  }
  EXPECT_EQ(Generate(*server.NewStub(), RequestFor(5)).raw.size(), 5u);
}

TEST(LostClientTest, AClientKilledInTheQueueLeavesItsPlace) {
  RunningServer server({"--max_sequences=1", "--max_requests=2"});
  ASSERT_TRUE(server.ready());
  ChildProcess running(Client(server, "generate", kEndless));
  ASSERT_OK(running.AwaitLine("delta"));
  {
    ChildProcess waiting(Client(server, "generate", kEndless));
    ASSERT_OK(waiting.AwaitLine("progress"));
    const Received refused = Generate(*server.NewStub(), RequestFor(1));
    EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(ReasonOf(refused.status), "QUEUE_FULL");
    waiting.Signal(SIGKILL);
    ASSERT_OK(waiting.AwaitExit());
  }
  const std::string released = R"(strided_objects_released_total{object="request"})";
  EXPECT_TRUE(Eventually([&] { return server.Series(released) == 1; }));
  running.Signal(SIGKILL);
  EXPECT_TRUE(Eventually([&] { return server.NothingIsLeft(); }));
}

TEST(LostClientTest, ManyClientsKilledAtOnceLeaveNothingBehind) {
  RunningServer server({"--max_sequences=8"});
  ASSERT_TRUE(server.ready());
  std::vector<std::unique_ptr<ChildProcess>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::make_unique<ChildProcess>(Client(server, "generate", kEndless)));
  }
  for (const auto& client : clients) ASSERT_OK(client->AwaitLine("started"));
  for (const auto& client : clients) client->Signal(SIGKILL);
  EXPECT_TRUE(Eventually([&] { return server.NothingIsLeft(); }));
  EXPECT_EQ(
      server.Series(R"(strided_requests_total{model="text",outcome="cancelled",version="1"})") +
          server.Series(
              R"(strided_requests_total{model="text",outcome="client_gone",version="1"})"),
      12);
}

TEST(LostClientTest, AFrozenClientIsGoneAfterTheKeepalive) {
  RunningServer server({"--keepalive_time=1s", "--keepalive_timeout=1s"});
  ASSERT_TRUE(server.ready());
  ChildProcess client(Client(server, "generate", kEndless));
  ASSERT_OK(client.AwaitLine("delta"));
  client.Signal(SIGSTOP);  // its kernel still acknowledges; its gRPC answers no ping
  EXPECT_TRUE(Eventually([&] { return server.NothingIsLeft(); }));
}

TEST(LostClientTest, AReaderThatIsTooSlowIsCutOff) {
  RunningServer server({"--paused_slot_limit=100ms", "--paused_request_limit=300ms"});
  ASSERT_TRUE(server.ready());
  ChildProcess client(Client(server, "generate", kLarge, /*messages=*/2));
  ASSERT_OK(client.AwaitLine("reads no more"));
  EXPECT_TRUE(Eventually([&] {
    return server.Series(
               R"(strided_requests_total{model="text",outcome="slow_reader",version="1"})") == 1;
  }));
  EXPECT_TRUE(Eventually([&] { return server.NothingIsLeft(); }));
}

}  // namespace
}  // namespace strided
