// Generations longer than the context, over real connections to a scripted server.

#include "client/cpp/windowed_generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "client/cpp/media/audio_codes.h"
#include "tests/client/cpp/fake_model.h"
#include "tests/client/cpp/messages.h"
#include "tests/client/cpp/rich_status.h"
#include "tests/client/cpp/scripted_server.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kContext = 10;

const RetryPolicy kQuick = {
    .tries = 3, .first_wait = absl::Milliseconds(1), .longest_wait = absl::Milliseconds(2)};

// All that a generation gave.
struct Outcome {
  std::vector<v1::GenerateResponse> events;
  std::map<uint32_t, std::string> tokens;     // by sample
  std::map<uint32_t, v1::Finished> finished;  // by sample
  absl::Status status;

  const v1::Started& started() const { return events.front().started(); }
  const v1::Summary& summary() const { return events.back().summary(); }
};

// Also holds the stream to its grammar: positions without gaps, messages numbered.
Outcome ReadAll(WindowedGeneration& generation) {
  Outcome outcome;
  std::map<uint32_t, uint64_t> next_position;
  while (true) {
    auto event = generation.Next();
    outcome.status = event.status();
    if (!event.ok() || !event->has_value()) return outcome;
    const v1::GenerateResponse& message = **event;
    EXPECT_EQ(message.message_index(), outcome.events.size());
    if (message.has_delta()) {
      const v1::Delta& delta = message.delta();
      const auto [next, first] =
          next_position.try_emplace(delta.sample_index(), delta.first_position());
      EXPECT_EQ(delta.first_position(), next->second);
      next->second += delta.raw().size();
      outcome.tokens[delta.sample_index()] += delta.raw();
    }
    if (message.has_finished()) {
      outcome.finished[message.finished().sample_index()] = message.finished();
    }
    outcome.events.push_back(message);
  }
}

Outcome Generate(const ScriptedServer& server, const v1::GenerateRequest& request,
                 const WindowOptions& windows) {
  const auto client = Client::Connect({.address = server.address()});
  EXPECT_OK(client);
  auto generation = WindowedGeneration::Start(*client, TextModel("bytes", kContext), request,
                                              windows, {.retry = kQuick});
  EXPECT_OK(generation);
  return ReadAll(**generation);
}

v1::GenerateRequest Request(const std::string& prompt, uint32_t samples = 1) {
  v1::GenerateRequest request;
  request.mutable_prompt()->set_raw(prompt);
  request.mutable_sampling()->set_samples(samples);
  return request;
}

// The fake model's answer to every call.
Script FakeModelScript() {
  return {.generate = [](const auto& request, int, auto* writer) {
    return StreamFakeModel(request, writer);
  }};
}

// What the fake model makes with seed 7 where windows keep `kept` tokens and the first has a prompt
// of `prompt`.
std::string ExpectedTokens(uint32_t sample, uint64_t prompt, uint64_t kept, uint64_t length) {
  std::string tokens = FakeTokens(7, sample, prompt, std::min(length, kContext - prompt));
  for (uint64_t window = 1; tokens.size() < length; ++window) {
    tokens += FakeTokens(WindowSeed(7, window), sample, kept,
                         std::min(length - tokens.size(), kContext - kept));
  }
  return tokens;
}

std::string TextOfIds(const v1::Sequence& sequence) {
  return {sequence.ids().ids().begin(), sequence.ids().ids().end()};
}

TEST(WindowedGenerationTest, WhatFitsIntoTheContextIsOnePlainRequest) {
  const ScriptedServer server(FakeModelScript());
  const Outcome outcome = Generate(server, Request("xyz"), {.length = 7});
  ASSERT_OK(outcome.status);
  EXPECT_EQ(outcome.tokens.at(0), FakeTokens(7, 0, 3, 7));
  ASSERT_EQ(server.generate_requests().size(), 1U);
  EXPECT_FALSE(server.generate_requests()[0].has_resume());
}

TEST(WindowedGenerationTest, LaterWindowsBeginWithTheLastTokensAndTheCallerSeesNoSeam) {
  const ScriptedServer server(FakeModelScript());
  const Outcome outcome = Generate(server, Request("xyz"), {.length = 20, .hop = 4});
  ASSERT_OK(outcome.status);
  EXPECT_EQ(outcome.tokens.at(0), ExpectedTokens(0, 3, 6, 20));
  EXPECT_EQ(outcome.started().resolved().max_new_tokens(), 20U);
  EXPECT_EQ(outcome.started().prompt_tokens(), 3U);
  EXPECT_EQ(outcome.finished.at(0).reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(outcome.finished.at(0).generated_tokens(), 20U);
  EXPECT_EQ(outcome.summary().generated_tokens(), 20U);
  EXPECT_EQ(outcome.summary().prompt_tokens(), 3U);
  EXPECT_EQ(outcome.summary().decode_time().seconds(), 5) << "one second in each of five windows";
  EXPECT_EQ(outcome.events.size(), 1U + 20U + 1U + 1U) << "one Started, one end, one Summary";

  const std::vector<v1::GenerateRequest> requests = server.generate_requests();
  ASSERT_EQ(requests.size(), 5U) << "7, 4, 4, 4 and 1 tokens";
  const std::string all = "xyz" + outcome.tokens.at(0);
  for (size_t window = 1; window < requests.size(); ++window) {
    const v1::GenerateRequest& request = requests[window];
    EXPECT_EQ(TextOfIds(request.prompt()), all.substr(4 * window, 6));
    EXPECT_EQ(request.model(), "bytes/1");
    EXPECT_EQ(request.resume().model_fingerprint(), "f1");
    EXPECT_EQ(request.resume().generated().raw(), "");
    EXPECT_EQ(request.sampling().max_new_tokens(), window == 4 ? 1U : 4U);
  }
}

TEST(WindowedGenerationTest, EverySampleGoesOnWithItsOwnTokens) {
  const ScriptedServer server(FakeModelScript());
  const Outcome outcome = Generate(server, Request("xyz", 3), {.length = 15, .hop = 5});
  ASSERT_OK(outcome.status);
  for (uint32_t sample = 0; sample < 3; ++sample) {
    EXPECT_EQ(outcome.tokens.at(sample), ExpectedTokens(sample, 3, 5, 15));
  }
  EXPECT_EQ(outcome.summary().generated_tokens(), 45U);
  EXPECT_EQ(server.generate_requests().size(), 1U + 3U + 3U);
}

TEST(WindowedGenerationTest, OfALongPromptTheLastPartIsRead) {
  const ScriptedServer server(FakeModelScript());
  const Outcome outcome = Generate(server, Request("abcdefghijklmnop"), {.length = 6, .hop = 4});
  ASSERT_OK(outcome.status);
  EXPECT_EQ(TextOfIds(server.generate_requests()[0].prompt()), "klmnop");
  EXPECT_EQ(outcome.tokens.at(0), ExpectedTokens(0, 6, 6, 6));
  EXPECT_EQ(outcome.started().prompt_tokens(), 16U);
  EXPECT_EQ(outcome.events[1].delta().first_position(), 16U);
}

TEST(WindowedGenerationTest, ASampleThatStopsIsNotAskedForAgain) {
  Script script;
  script.generate = [](const v1::GenerateRequest& request, int call,
                       Script::GenerateWriter* writer) {
    if (call > 0) return StreamFakeModel(request, writer);
    // Sample 0 stops after 2 tokens; sample 1 fills the window.
    std::vector<v1::GenerateResponse> messages = {
        StartedMessage(2),      DeltaMessage(0, 0, "ab"),
        FinishedMessage(0, 2),  DeltaMessage(1, 0, "0123456789"),
        FinishedMessage(1, 10), SummaryMessage()};
    messages[2].mutable_finished()->set_reason(v1::FINISH_REASON_STOP);
    for (size_t i = 0; i < messages.size(); ++i) {
      messages[i].set_message_index(i);
      writer->Write(messages[i]);
    }
    return grpc::Status::OK;
  };
  const ScriptedServer server(script);
  const Outcome outcome = Generate(server, Request("", 2), {.length = 12, .hop = 5});
  ASSERT_OK(outcome.status);
  EXPECT_EQ(outcome.finished.at(0).reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(outcome.finished.at(0).generated_tokens(), 2U);
  EXPECT_EQ(outcome.finished.at(1).generated_tokens(), 12U);
  ASSERT_EQ(server.generate_requests().size(), 2U);
  EXPECT_EQ(server.generate_requests()[1].resume().sample_index(), 1U);
  EXPECT_EQ(TextOfIds(server.generate_requests()[1].prompt()), "56789");
}

TEST(WindowedGenerationTest, AStreamThatBreaksInALaterWindowIsResumed) {
  const ScriptedServer server({.generate = [](const auto& request, int call, auto* writer) {
    if (call != 1) return StreamFakeModel(request, writer);
    return StreamFakeModel(request, writer, Break{.after_messages = 3});
  }});
  const Outcome outcome = Generate(server, Request("xyz"), {.length = 15, .hop = 5});
  ASSERT_OK(outcome.status);
  EXPECT_EQ(outcome.tokens.at(0), ExpectedTokens(0, 3, 5, 15));
  EXPECT_EQ(server.generate_requests()[2].resume().generated().raw().size(), 2U);
}

TEST(WindowedGenerationTest, AWindowThatIsRefusedForNowIsAskedForAgain) {
  const auto queue_full = [] {
    return RichStatus(grpc::StatusCode::UNAVAILABLE, "the queue is full")
        .Reason("QUEUE_FULL")
        .Build();
  };
  const ScriptedServer server({.generate = [&](const auto& request, int call, auto* writer) {
    return call == 1 || call == 2 ? queue_full() : StreamFakeModel(request, writer);
  }});
  const Outcome outcome = Generate(server, Request("xyz"), {.length = 12, .hop = 5});
  ASSERT_OK(outcome.status);
  EXPECT_EQ(outcome.tokens.at(0), ExpectedTokens(0, 3, 5, 12));

  const ScriptedServer full({.generate = [&](const auto& request, int call, auto* writer) {
    return call > 0 ? queue_full() : StreamFakeModel(request, writer);
  }});
  EXPECT_THAT(Generate(full, Request("xyz"), {.length = 12, .hop = 5}).status,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the queue is full")));
  EXPECT_EQ(full.generate_requests().size(), 1U + 1U + 3U);
}

TEST(WindowedGenerationTest, AWindowThatFallsShortIsAnErrorNotALoop) {
  const ScriptedServer server({.generate = [](const auto&, int, auto* writer) {
    v1::GenerateResponse started = StartedMessage();
    v1::GenerateResponse finished = FinishedMessage(0, 0);
    v1::GenerateResponse summary = SummaryMessage();
    uint64_t index = 0;
    for (v1::GenerateResponse* message : {&started, &finished, &summary}) {
      message->set_message_index(index++);
      writer->Write(*message);
    }
    return grpc::Status::OK;
  }});
  EXPECT_THAT(Generate(server, Request(""), {.length = 12, .hop = 5}).status,
              StatusIs(absl::StatusCode::kInternal, HasSubstr("a sample of 10 tokens")));
}

TEST(WindowedGenerationTest, CancellationEndsItInAnyWindow) {
  Cancellation cancellation;
  const ScriptedServer server({.generate = [&](const auto& request, int call, auto* writer) {
    if (call == 2) cancellation.Cancel();
    return StreamFakeModel(request, writer);
  }});
  const auto client = Client::Connect({.address = server.address()});
  ASSERT_OK(client);
  const auto generation =
      WindowedGeneration::Start(*client, TextModel("bytes", kContext), Request("xyz"),
                                {.length = 1'000'000, .hop = 5}, {.cancellation = &cancellation});
  ASSERT_OK(generation);
  const Outcome outcome = ReadAll(**generation);
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT((*generation)->Next(), StatusIs(absl::StatusCode::kCancelled)) << "repeated";
}

TEST(WindowedGenerationTest, TheSoftTimeLimitIsThatOfAllWindowsTogether) {
  const ScriptedServer server(FakeModelScript());
  v1::GenerateRequest request = Request("xyz");
  request.mutable_time_limit()->set_seconds(1000);
  ASSERT_OK(Generate(server, request, {.length = 12, .hop = 5}).status);
  EXPECT_EQ(server.generate_requests()[0].time_limit().seconds(), 1000);
  EXPECT_LT(server.generate_requests()[1].time_limit().seconds(), 1000);
}

TEST(WindowedGenerationTest, SamplesOf16BitsGoBackAsTheModelsCodes) {
  Script script;
  script.generate = [](const v1::GenerateRequest& request, int, Script::GenerateWriter* writer) {
    v1::GenerateResponse started = StartedMessage();
    started.mutable_started()->mutable_audio()->set_encoding(v1::AUDIO_ENCODING_PCM16);
    const uint32_t count = request.sampling().max_new_tokens();
    std::string samples;
    for (uint32_t i = 0; i < count; ++i) {
      const auto sample = static_cast<uint16_t>(SampleOfMulaw(static_cast<uint8_t>(17 * i)));
      samples += {static_cast<char>(sample), static_cast<char>(sample >> 8)};
    }
    const uint64_t prompt = static_cast<uint64_t>(request.prompt().ids().ids_size());
    started.mutable_started()->set_prompt_tokens(prompt);
    v1::GenerateResponse delta = DeltaMessage(0, prompt, samples);
    v1::GenerateResponse finished = FinishedMessage(0, count);
    v1::GenerateResponse summary = SummaryMessage();
    uint64_t index = 0;
    for (v1::GenerateResponse* message : {&started, &delta, &finished, &summary}) {
      message->set_message_index(index++);
      writer->Write(*message);
    }
    return grpc::Status::OK;
  };
  const ScriptedServer server(script);
  v1::Model model = AudioModel(12'000);
  model.set_context_length(kContext);
  const auto client = Client::Connect({.address = server.address()});
  ASSERT_OK(client);
  const auto generation = WindowedGeneration::Start(*client, model, {}, {.length = 12, .hop = 7});
  ASSERT_OK(generation);
  while (true) {
    const auto event = (*generation)->Next();
    ASSERT_OK(event);
    if (!event->has_value()) break;
  }
  ASSERT_EQ(server.generate_requests().size(), 2U);
  EXPECT_EQ(TextOfIds(server.generate_requests()[1].prompt()), "\x77\x88\x99")
      << "17 times 7, 8, 9";
}

}  // namespace
}  // namespace strided::client
