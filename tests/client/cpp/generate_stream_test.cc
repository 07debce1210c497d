// Streams over a real connection to a scripted server: their grammar, breaks, errors, cancellation.

#include "client/cpp/generate_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "client/cpp/client.h"
#include "client/cpp/error_details.h"
#include "tests/client/cpp/fake_model.h"
#include "tests/client/cpp/messages.h"
#include "tests/client/cpp/rich_status.h"
#include "tests/client/cpp/scripted_server.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;

// Waits that are short enough for a test, and still in the order of the policy.
const RetryPolicy kQuick = {
    .tries = 3, .first_wait = absl::Milliseconds(1), .longest_wait = absl::Milliseconds(2)};

v1::GenerateRequest Request(uint32_t samples, uint32_t max_new_tokens) {
  v1::GenerateRequest request;
  request.mutable_prompt()->set_raw("xyz");
  request.mutable_sampling()->set_samples(samples);
  request.mutable_sampling()->set_max_new_tokens(max_new_tokens);
  return request;
}

Client ClientOf(const ScriptedServer& server) {
  auto client = Client::Connect({.address = server.address()});
  EXPECT_OK(client);
  return *client;
}

// All that a stream gave.
struct Outcome {
  std::vector<v1::GenerateResponse> events;
  std::map<uint32_t, std::string> tokens;  // by sample
  absl::Status status;
  int resumptions = 0;
};

Outcome ReadAll(GenerateStream& stream) {
  Outcome outcome;
  while (true) {
    auto event = stream.Next();
    outcome.status = event.status();
    outcome.resumptions = stream.resumptions();
    if (!event.ok() || !event->has_value()) return outcome;
    const v1::Delta& delta = (*event)->delta();
    if ((*event)->has_delta()) outcome.tokens[delta.sample_index()] += delta.raw();
    outcome.events.push_back(**event);
  }
}

Outcome Generate(const ScriptedServer& server, const v1::GenerateRequest& request,
                 const CallOptions& options = {.retry = kQuick}) {
  const Client client = ClientOf(server);
  return ReadAll(*client.Generate(request, options));
}

TEST(GenerateStreamTest, AStreamComesInTheOrderOfItsGrammar) {
  const ScriptedServer server({.generate = [](const auto& request, int, auto* writer) {
    return StreamFakeModel(request, writer);
  }});
  const Outcome outcome = Generate(server, Request(1, 3));
  ASSERT_OK(outcome.status);
  ASSERT_EQ(outcome.events.size(), 6U);
  EXPECT_TRUE(outcome.events[0].has_started());
  for (size_t i = 1; i <= 3; ++i) EXPECT_TRUE(outcome.events[i].has_delta());
  EXPECT_TRUE(outcome.events[4].has_finished());
  EXPECT_TRUE(outcome.events[5].has_summary());
  EXPECT_EQ(outcome.tokens.at(0), FakeTokens(7, 0, 3, 3));
  EXPECT_EQ(outcome.resumptions, 0);
}

TEST(GenerateStreamTest, ABreakAnywhereChangesNoByte) {
  // 2 samples of 4 tokens: Started, 8 deltas, 2 Finished, Summary. Before Started there is nothing
  // to resume.
  for (int after = 1; after < 12; ++after) {
    const ScriptedServer server({.generate = [after](const auto& request, int call, auto* writer) {
      if (call > 0) return StreamFakeModel(request, writer);
      return StreamFakeModel(request, writer, Break{.after_messages = after});
    }});
    const Outcome outcome = Generate(server, Request(2, 4));
    ASSERT_OK(outcome.status) << "after " << after << " messages";
    EXPECT_EQ(outcome.tokens.at(0), FakeTokens(7, 0, 3, 4)) << "after " << after;
    EXPECT_EQ(outcome.tokens.at(1), FakeTokens(7, 1, 3, 4)) << "after " << after;
    ASSERT_EQ(outcome.events.size(), 12U) << "after " << after;
    for (size_t i = 0; i < 12; ++i) EXPECT_EQ(outcome.events[i].message_index(), i);
    EXPECT_EQ(outcome.events[11].summary().generated_tokens(), 8U) << "after " << after;
  }
}

TEST(GenerateStreamTest, BreaksThatBringNewTokensAreNotCounted) {
  // Every stream gives one token and breaks: 12 breaks, of which 3 in a row would be the limit.
  const ScriptedServer server({.generate = [](const auto& request, int, auto* writer) {
    return StreamFakeModel(request, writer, Break{.after_messages = 2});
  }});
  const Outcome outcome = Generate(server, Request(1, 12));
  EXPECT_EQ(outcome.tokens.at(0), FakeTokens(7, 0, 3, 12));
  EXPECT_GE(outcome.resumptions, 11);
}

TEST(GenerateStreamTest, TriesThatBringNothingEndWithTheLastError) {
  const ScriptedServer server({.generate = [](const auto& request, int call, auto* writer) {
    return StreamFakeModel(request, writer, Break{.after_messages = call == 0 ? 2 : 0});
  }});
  const Outcome outcome = Generate(server, Request(1, 4));
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kUnavailable, "connection lost"));
  EXPECT_EQ(server.generate_requests().size(), 1U + kQuick.tries);
}

TEST(GenerateStreamTest, AnErrorBeforeStartedIsReturnedAtOnce) {
  const ScriptedServer server({.generate = [](const auto&, int, auto*) {
    return RichStatus(grpc::StatusCode::UNAVAILABLE, "full")
        .Reason("QUEUE_FULL")
        .RetryIn(50)
        .Build();
  }});
  const Outcome outcome = Generate(server, Request(1, 4));
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kUnavailable, "full"));
  EXPECT_EQ(DetailsOf(outcome.status).reason, "QUEUE_FULL");
  EXPECT_EQ(DetailsOf(outcome.status).retry_delay, absl::Milliseconds(50));
  EXPECT_EQ(server.generate_requests().size(), 1U);
}

TEST(GenerateStreamTest, AnErrorOtherThanALostConnectionIsNotResumed) {
  const ScriptedServer server({.generate = [](const auto& request, int, auto* writer) {
    return StreamFakeModel(
        request, writer,
        Break{.after_messages = 3, .status = {grpc::StatusCode::ABORTED, "slow reader"}});
  }});
  const Client client = ClientOf(server);
  const auto stream = client.Generate(Request(1, 4), {.retry = kQuick});
  EXPECT_THAT(ReadAll(*stream).status, StatusIs(absl::StatusCode::kAborted, "slow reader"));
  EXPECT_THAT(stream->Next(), StatusIs(absl::StatusCode::kAborted, "slow reader"));
  EXPECT_EQ(server.generate_requests().size(), 1U);
}

TEST(GenerateStreamTest, AServerThatGoesAwayIsReportedAfterTheLastTry) {
  auto server = std::make_unique<ScriptedServer>(
      Script{.generate = [](const auto& request, int, auto* writer) {
        return StreamFakeModel(request, writer, Break{.after_messages = 2});
      }});
  const Client client = ClientOf(*server);
  const auto stream = client.Generate(Request(1, 4), {.retry = kQuick});
  ASSERT_OK(stream->Next());
  ASSERT_OK(stream->Next());
  server.reset();
  EXPECT_THAT(ReadAll(*stream).status, StatusIs(absl::StatusCode::kUnavailable));
}

TEST(GenerateStreamTest, AStreamThatEndsEarlyWithOkIsAnError) {
  const ScriptedServer server({.generate = [](const auto& request, int, auto* writer) {
    return StreamFakeModel(request, writer, Break{.after_messages = 3, .status = grpc::Status::OK});
  }});
  EXPECT_THAT(Generate(server, Request(1, 4)).status,
              StatusIs(absl::StatusCode::kInternal, HasSubstr("before its last sample")));
}

TEST(GenerateStreamTest, AGapInTheMessageNumbersIsDataLoss) {
  const ScriptedServer server({.generate = [](const auto&, int, auto* writer) {
    v1::GenerateResponse message = StartedMessage();
    message.set_message_index(1);
    writer->Write(message);
    return grpc::Status::OK;
  }});
  EXPECT_THAT(Generate(server, Request(1, 4)).status, StatusIs(absl::StatusCode::kDataLoss));
}

// Writes without end until the client is gone.
grpc::Status StreamForever(Script::GenerateWriter* writer) {
  v1::GenerateResponse message = StartedMessage();
  for (uint64_t i = 0; writer->Write(message); ++i) {
    message = DeltaMessage(0, i, "x");
    message.set_message_index(i + 1);
  }
  return grpc::Status::OK;
}

TEST(GenerateStreamTest, CancellationEndsTheCallOnBothSides) {
  const ScriptedServer server(
      {.generate = [](const auto&, int, auto* writer) { return StreamForever(writer); }});
  Cancellation cancellation;
  const Client client = ClientOf(server);
  const auto stream = client.Generate(Request(1, 4), {.cancellation = &cancellation});
  ASSERT_OK(stream->Next());
  std::thread other([&cancellation] { cancellation.Cancel(); });
  EXPECT_THAT(ReadAll(*stream).status, StatusIs(absl::StatusCode::kCancelled));
  other.join();
  server.AwaitCancelled(1);
}

TEST(GenerateStreamTest, DestroyingAStreamCancelsIt) {
  const ScriptedServer server(
      {.generate = [](const auto&, int, auto* writer) { return StreamForever(writer); }});
  auto stream = ClientOf(server).Generate(Request(1, 4));
  ASSERT_OK(stream->Next());
  stream.reset();
  server.AwaitCancelled(1);
}

TEST(GenerateStreamTest, CancellationEndsTheWaitBetweenTries) {
  const ScriptedServer server({.generate = [](const auto& request, int, auto* writer) {
    return StreamFakeModel(request, writer, Break{.after_messages = 1});
  }});
  Cancellation cancellation;
  const RetryPolicy patient = {.first_wait = absl::Hours(1), .longest_wait = absl::Hours(1)};
  const Client client = ClientOf(server);
  const auto stream =
      client.Generate(Request(1, 4), {.cancellation = &cancellation, .retry = patient});
  ASSERT_OK(stream->Next());
  std::thread other([&cancellation] { cancellation.Cancel(); });
  EXPECT_THAT(ReadAll(*stream).status, StatusIs(absl::StatusCode::kCancelled));
  other.join();
}

TEST(GenerateStreamTest, ACallUnderAThrownSwitchNeverRuns) {
  const ScriptedServer server({});
  Cancellation cancellation;
  cancellation.Cancel();
  const Outcome outcome = Generate(server, Request(1, 4), {.cancellation = &cancellation});
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kCancelled));
}

TEST(GenerateStreamTest, TheDeadlineEndsAStream) {
  const ScriptedServer server(
      {.generate = [](const auto&, int, auto* writer) { return StreamForever(writer); }});
  const Outcome outcome =
      Generate(server, Request(1, 4), {.deadline = absl::Now() + absl::Milliseconds(50)});
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(GenerateStreamTest, NoTryIsWaitedForBeyondTheDeadline) {
  const ScriptedServer server({.generate = [](const auto& request, int, auto* writer) {
    return StreamFakeModel(request, writer, Break{.after_messages = 1});
  }});
  const RetryPolicy patient = {.first_wait = absl::Hours(1), .longest_wait = absl::Hours(1)};
  const Outcome outcome = Generate(server, Request(1, 4),
                                   {.deadline = absl::Now() + absl::Minutes(10), .retry = patient});
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kDeadlineExceeded,
                                       HasSubstr("the last one ended with: connection lost")));
}

}  // namespace
}  // namespace strided::client
