// Loads against scripted servers in this process.

#include "client/cpp/bench/load_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "client/cpp/connection.h"
#include "tests/client/cpp/fake_model.h"
#include "tests/client/cpp/messages.h"
#include "tests/client/cpp/rich_status.h"
#include "tests/client/cpp/scripted_server.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Pair;

Script FakeModel() {
  Script script;
  script.generate = [](const v1::GenerateRequest& request, int, Script::GenerateWriter* writer) {
    return StreamFakeModel(request, writer);
  };
  return script;
}

// Token after token, until the client is gone.
grpc::Status StreamWithoutEnd(Script::GenerateWriter* writer) {
  v1::GenerateResponse message = StartedMessage();
  for (uint64_t i = 0; writer->Write(message); ++i) {
    message = DeltaMessage(0, i, "a");
    message.set_message_index(i + 1);
  }
  return grpc::Status::CANCELLED;
}

// Ten tokens after a prompt of three.
RequestSource TenTokens() {
  v1::GenerateRequest base;
  base.mutable_sampling()->set_max_new_tokens(10);
  return RequestSource(TextModel("text", 64), {.tokens = 3}, base);
}

// A load that a test changes before it runs.
struct TestLoad {
  explicit TestLoad(const LoadPlan& plan) {
    load.plan = plan;
    load.source = &source;
    load.interrupted = &interrupted;
  }

  LoadResult Run(const ScriptedServer& server, int threads = 1, int channels = 1) {
    std::vector<std::shared_ptr<grpc::Channel>> opened;
    for (int i = 0; i < channels; ++i)
      opened.push_back(*OpenChannel({.address = server.address()}));
    load.begin = absl::Now();
    return RunLoad(load, threads, opened, [](const LoadLoop::Live&) {});
  }

  RequestSource source = TenTokens();
  Cancellation interrupted;
  Load load;
};

TEST(LoadRunTest, EveryRequestOfAClosedLoopIsCounted) {
  const ScriptedServer server(FakeModel());
  const LoadResult result = TestLoad({.streams = 4, .requests = 20}).Run(server);
  const Measurements& m = result.measurements;
  EXPECT_EQ(m.ok, 20u);
  EXPECT_EQ(m.refused + m.failed + m.cut, 0u);
  EXPECT_EQ(m.tokens, 200u);
  EXPECT_EQ(m.messages, 20u * 13);  // Started, ten Deltas, Finished, Summary
  EXPECT_EQ(m.time_to_first_token.count(), 20u);
  EXPECT_EQ(m.inter_token_time.count(), 20u * 9);
  EXPECT_EQ(m.request_time.count(), 20u);
  EXPECT_GT(result.window, absl::ZeroDuration());
  EXPECT_EQ(server.generate_requests().size(), 20u);
}

TEST(LoadRunTest, EveryRequestHasAnotherPromptWhicheverThreadMakesIt) {
  const ScriptedServer server(FakeModel());
  const LoadResult result = TestLoad({.streams = 4, .requests = 30}).Run(server, 3, 4);
  EXPECT_EQ(result.measurements.ok, 30u);
  std::set<std::string> prompts;
  for (const auto& request : server.generate_requests()) prompts.insert(request.prompt().raw());
  EXPECT_EQ(prompts.size(), 30u);
}

TEST(LoadRunTest, AClosedLoopHoldsItsStreamsOpenAndNoMore) {
  constexpr int kStreams = 6;
  std::atomic<int> open = 0;
  std::atomic<int> most = 0;
  Script script;
  script.generate = [&](const v1::GenerateRequest& request, int, Script::GenerateWriter* writer) {
    const int now_open = ++open;
    for (int seen = most; seen < now_open && !most.compare_exchange_weak(seen, now_open);) {
    }
    // The first ones wait for each other: they can end only if all are open at once.
    while (most < kStreams) std::this_thread::yield();
    grpc::Status status = StreamFakeModel(request, writer);
    --open;
    return status;
  };
  const ScriptedServer server(script);
  EXPECT_EQ(TestLoad({.streams = kStreams, .requests = 60}).Run(server).measurements.ok, 60u);
  EXPECT_EQ(most, kStreams);
}

TEST(LoadRunTest, AnOpenLoopSendsEvenWhereNothingEnds) {
  constexpr int kRequests = 5;
  std::atomic<int> arrived = 0;
  Script script;
  script.generate = [&](const v1::GenerateRequest& request, int, Script::GenerateWriter* writer) {
    ++arrived;
    while (arrived < kRequests) std::this_thread::yield();
    return StreamFakeModel(request, writer);
  };
  const ScriptedServer server(script);
  const LoadResult result = TestLoad({.arrival_rate = 1e4, .requests = kRequests}).Run(server);
  EXPECT_EQ(result.measurements.ok, 5u);
}

TEST(LoadRunTest, RefusalsAreCountedByReasonAndTheStreamGoesOn) {
  Script script;
  script.generate = [](const v1::GenerateRequest& request, int call,
                       Script::GenerateWriter* writer) -> grpc::Status {
    if (call % 2 == 0) return StreamFakeModel(request, writer);
    return RichStatus(grpc::StatusCode::RESOURCE_EXHAUSTED, "over quota").Reason("QUOTA").Build();
  };
  const ScriptedServer server(script);
  const Measurements m = TestLoad({.streams = 2, .requests = 10}).Run(server).measurements;
  EXPECT_EQ(m.ok, 5u);
  EXPECT_EQ(m.refused, 5u);
  EXPECT_THAT(m.errors, ElementsAre(Pair(Pair("RESOURCE_EXHAUSTED", "QUOTA"),
                                         Field(&ErrorCount::count, 5u))));
  EXPECT_THAT(m.first_error, StatusIs(absl::StatusCode::kResourceExhausted, "over quota"));
}

TEST(LoadRunTest, AStreamThatBreaksHasFailedAndIsNotResumed) {
  Script script;
  script.generate = [](const v1::GenerateRequest& request, int, Script::GenerateWriter* writer) {
    return StreamFakeModel(request, writer, Break{.after_messages = 4});
  };
  const ScriptedServer server(script);
  const Measurements m = TestLoad({.requests = 1}).Run(server).measurements;
  EXPECT_EQ(m.failed, 1u);
  EXPECT_EQ(m.tokens, 3u);
  EXPECT_EQ(server.generate_requests().size(), 1u);
}

TEST(LoadRunTest, AStreamThatIsNotWholeHasFailed) {
  struct Case {
    std::vector<v1::GenerateResponse> messages;
    const char* error;
  };
  for (const Case& wrong :
       std::vector<Case>{{{DeltaMessage(0, 0, "a")}, "does not begin with Started"},
                         {{StartedMessage(), DeltaMessage(0, 5, "a")}, "position 0 is missing"},
                         {{StartedMessage(), FinishedMessage(0, 0)}, "before its summary"},
                         {{StartedMessage(), StartedMessage()}, "lost or came twice"}}) {
    Script script;
    script.generate = [&](const v1::GenerateRequest&, int, Script::GenerateWriter* writer) {
      for (size_t i = 0; i < wrong.messages.size(); ++i) {
        v1::GenerateResponse message = wrong.messages[i];
        message.set_message_index(message.has_started() ? 0 : i);
        writer->Write(message);
      }
      return grpc::Status::OK;
    };
    const ScriptedServer server(script);
    const Measurements m = TestLoad({.requests = 1}).Run(server).measurements;
    EXPECT_EQ(m.failed, 1u) << wrong.error;
    EXPECT_THAT(std::string(m.first_error.message()), HasSubstr(wrong.error));
  }
}

TEST(LoadRunTest, WhatStillRunsAtTheWindowsEndIsCut) {
  std::atomic<int> running = 0;
  Script script;
  script.generate = [&](const v1::GenerateRequest&, int, Script::GenerateWriter* writer) {
    ++running;
    return StreamWithoutEnd(writer);
  };
  const ScriptedServer server(script);
  TestLoad load({.streams = 2, .duration = absl::Hours(1)});
  // The hour is over when both run.
  load.load.now = [&] { return absl::Now() + absl::Hours(running == 2 ? 1 : 0); };
  const LoadResult result = load.Run(server);
  EXPECT_EQ(result.measurements.cut, 2u);
  EXPECT_EQ(result.measurements.failed, 0u);
  EXPECT_EQ(result.window, absl::Hours(1));
  server.AwaitCancelled(2);
}

TEST(LoadRunTest, AnInterruptionEndsTheLoadAndKeepsWhatWasMeasured) {
  TestLoad load({.streams = 2, .requests = 1'000'000});
  Script script;
  script.generate = [&](const v1::GenerateRequest& request, int call,
                        Script::GenerateWriter* writer) {
    if (call == 10) load.interrupted.Cancel();
    return StreamFakeModel(request, writer);
  };
  const ScriptedServer server(script);
  const LoadResult result = load.Run(server);
  EXPECT_GE(result.measurements.ok, 9u);
  EXPECT_LT(result.measurements.ok, 1'000'000u);
  EXPECT_GT(result.window, absl::ZeroDuration());
}

TEST(LoadRunTest, AnInterruptedWarmUpHasMeasuredNothing) {
  TestLoad load({.warmup = absl::Hours(1), .requests = 1});
  Script script;
  script.generate = [&](const v1::GenerateRequest& request, int, Script::GenerateWriter* writer) {
    load.interrupted.Cancel();
    return StreamFakeModel(request, writer);
  };
  const ScriptedServer server(script);
  const LoadResult result = load.Run(server);
  EXPECT_EQ(result.window, absl::ZeroDuration());
  EXPECT_EQ(result.measurements.ok + result.measurements.tokens, 0u);
}

TEST(LoadRunTest, ScoresAreCountedAsTheyCome) {
  Script script;
  script.score = [](const v1::ScoreRequest& request, int call, Script::ScoreWriter* writer) {
    v1::ScoreResponse message;
    for (size_t i = 0; i < request.sequence().raw().size(); ++i) {
      message.mutable_log_probs()->add_chosen(-1);
    }
    writer->Write(message);
    if (call == 0) return grpc::Status::OK;  // without a total
    message.Clear();
    message.set_total_log_prob(-3);
    writer->Write(message);
    return grpc::Status::OK;
  };
  const ScriptedServer server(script);
  TestLoad load({.requests = 4});
  load.load.score = true;
  const Measurements m = load.Run(server).measurements;
  EXPECT_EQ(m.ok, 3u);
  EXPECT_EQ(m.tokens, 12u);
  EXPECT_EQ(m.failed, 1u);
  EXPECT_EQ(m.time_to_first_token.count(), 4u);
}

TEST(LoadRunTest, EveryCallHasTheTokenAndADeadlineOfItsOwn) {
  TestLoad load({.requests = 3});
  load.load.token = "secret";
  // By its prompt, for the deadline may be over before the call is there.
  const std::string endless = load.source.Generate(1).prompt().raw();
  Script script;
  script.generate = [&](const v1::GenerateRequest& request, int,
                        Script::GenerateWriter* writer) -> grpc::Status {
    return request.prompt().raw() == endless ? StreamWithoutEnd(writer)
                                             : StreamFakeModel(request, writer);
  };
  const ScriptedServer server(script);
  int calls = 0;
  load.load.call_options = [&calls] {
    const bool ends = ++calls == 2;
    return CallOptions{.deadline =
                           ends ? absl::Now() + absl::Milliseconds(20) : absl::InfiniteFuture()};
  };
  const Measurements m = load.Run(server).measurements;
  EXPECT_EQ(m.ok, 2u);
  EXPECT_EQ(m.failed, 1u);
  EXPECT_THAT(m.first_error, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(server.last_authorization(), "Bearer secret");
}

TEST(LoadRunTest, TheLongestWindowIsTheLoadsAndTheBusiestThreadStandsOut) {
  const absl::Time begin = absl::FromUnixSeconds(10);
  const auto loop = [&](int window, int process, int thread, int waiting) {
    LoopResult result = {{}, {begin, begin + absl::Seconds(window)}, {}};
    result.cpu = {absl::Seconds(process), absl::Seconds(thread), absl::Seconds(waiting)};
    result.measurements.tokens = 5;
    return result;
  };
  const LoadResult result = Combined({loop(4, 6, 2, 1), loop(10, 12, 6, 0), loop(-1, 0, 0, 0)});
  EXPECT_EQ(result.window, absl::Seconds(10));
  EXPECT_DOUBLE_EQ(result.client_cores, 1.2);
  EXPECT_DOUBLE_EQ(result.busiest_loop.works, 0.5);
  EXPECT_DOUBLE_EQ(result.busiest_loop.waits, 0.25);
  EXPECT_EQ(result.measurements.tokens, 15u);
}

}  // namespace
}  // namespace strided::client
