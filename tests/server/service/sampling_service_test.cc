// Generate and Score against a server on loopback.

#include "server/service/sampling_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/service/test_server.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(SamplingServiceTest, AStreamCarriesTheModelsTokensAndEndsWithItsSummary) {
  TestServer server;
  ReceivedStream stream = Generate(
      server, GenerateRequestOf("prompt { raw: 'ab' } sampling { seed: 9 max_new_tokens: 40 }"));
  ASSERT_TRUE(stream.status.ok()) << stream.status.error_message();
  EXPECT_EQ(stream.started.model(), "fake");
  EXPECT_EQ(stream.started.prompt_tokens(), 2U);
  EXPECT_EQ(stream.started.resolved().seed(), 9U);
  EXPECT_EQ(stream.raw(), ExpectedRaw("ab", 40, 9));
  EXPECT_EQ(stream.samples[0].first_position, 2U);
  EXPECT_EQ(stream.samples[0].finished->reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(stream.samples[0].finished->generated_tokens(), 40U);
  EXPECT_EQ(stream.summary->prompt_tokens(), 2U);
  EXPECT_EQ(stream.summary->generated_tokens(), 40U);
  EXPECT_EQ(server.OutcomesAtTheEnd("ok"), 1);
}

TEST(SamplingServiceTest, EverySampleHasItsOwnTokensAndItsOwnEnd) {
  TestServer server;
  ReceivedStream stream = Generate(
      server,
      GenerateRequestOf("prompt { raw: 'x' } sampling { seed: 3 samples: 7 max_new_tokens: 30 }"));
  ASSERT_TRUE(stream.status.ok()) << stream.status.error_message();
  ASSERT_EQ(stream.samples.size(), 7U);
  for (uint32_t i = 0; i < 7; ++i) {
    EXPECT_EQ(stream.raw(i), ExpectedRaw("x", 30, 3, i)) << i;
    EXPECT_TRUE(stream.samples[i].finished.has_value()) << i;
  }
  EXPECT_EQ(stream.summary->generated_tokens(), 7U * 30);
}

TEST(SamplingServiceTest, TheSeedOfStartedRepeatsAStreamToTheByte) {
  TestServer server;
  v1::GenerateRequest request = GenerateRequestOf("prompt { raw: 'once' }");
  ReceivedStream first = Generate(server, request);
  ReceivedStream other = Generate(server, request);
  EXPECT_NE(first.raw(), other.raw()) << "without a seed the server draws one";
  request.mutable_sampling()->set_seed(first.started.resolved().seed());
  ReceivedStream second = Generate(server, request);
  EXPECT_EQ(first.raw().size(), 60U);
  EXPECT_EQ(first.raw(), second.raw());
  *request.mutable_sampling() = first.started.resolved();
  EXPECT_EQ(Generate(server, request).raw(), first.raw());
}

TEST(SamplingServiceTest, AResumeFromAnyCutGoesOnAsBefore) {
  TestServer server;
  v1::GenerateRequest request =
      GenerateRequestOf("prompt { raw: 'ab' } sampling { seed: 11 samples: 3 max_new_tokens: 20 }");
  ReceivedStream whole = Generate(server, request);
  for (size_t cut = 0; cut <= 20; ++cut) {
    SCOPED_TRACE(cut);
    request.mutable_resume()->set_sample_index(2);
    request.mutable_resume()->set_model_fingerprint(whole.started.model_fingerprint());
    request.mutable_resume()->mutable_generated()->set_raw(whole.raw(2).substr(0, cut));
    ReceivedStream rest = Generate(server, request);
    ASSERT_TRUE(rest.status.ok()) << rest.status.error_message();
    ASSERT_EQ(rest.samples.size(), 1U);
    EXPECT_EQ(rest.raw(2), whole.raw(2).substr(cut));
    EXPECT_EQ(rest.samples[2].finished->ShortDebugString(),
              whole.samples[2].finished->ShortDebugString());
    EXPECT_EQ(rest.samples[2].first_position.value_or(22), 2 + cut);
  }
}

TEST(SamplingServiceTest, AResumeOfPcm16GoesOnAsBefore) {
  TestServer server({.config = AudioConfig()});
  v1::GenerateRequest request =
      GenerateRequestOf("sampling { seed: 4 } output { audio_encoding: AUDIO_ENCODING_PCM16 }");
  grpc::ClientContext context;
  const auto read = [&server, &request] {
    grpc::ClientContext its_context;
    const auto reader = server.sampling().Generate(&its_context, request);
    std::string raw;
    for (v1::GenerateResponse message; reader->Read(&message);) raw += message.delta().raw();
    EXPECT_TRUE(reader->Finish().ok());
    return raw;
  };
  const std::string whole = read();
  ASSERT_EQ(whole.size(), 2U * 64);
  request.mutable_resume()->set_model_fingerprint("fingerprint of fake");
  request.mutable_resume()->mutable_generated()->set_raw(whole.substr(0, 50));
  EXPECT_EQ(read(), whole.substr(50));
}

TEST(SamplingServiceTest, AStopSequenceEndsASampleBeforeItsMatch) {
  TestServer server;
  const std::string drawn = ExpectedRaw("", 30, 5);
  v1::GenerateRequest request = GenerateRequestOf("sampling { seed: 5 max_new_tokens: 30 }");
  request.mutable_sampling()->add_stop_sequences(drawn.substr(10, 3));
  ReceivedStream stream = Generate(server, request);
  EXPECT_EQ(stream.raw(), drawn.substr(0, 10));
  EXPECT_EQ(stream.samples[0].finished->reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(stream.samples[0].finished->matched_stop_sequence(), drawn.substr(10, 3));
  request.mutable_sampling()->set_include_stop(true);
  EXPECT_EQ(Generate(server, request).raw(), drawn.substr(0, 13));
}

TEST(SamplingServiceTest, AnImageIsCompleted) {
  TestServer server({.config = ImageConfig()});
  ReceivedStream stream = Generate(server, GenerateRequestOf("prompt { raw: 'abc' }"));
  EXPECT_EQ(stream.raw().size(), 9U);
  EXPECT_EQ(stream.samples[0].finished->reason(), v1::FINISH_REASON_END_OF_SEQUENCE);
  EXPECT_EQ(stream.started.image().ShortDebugString(), "height: 2 width: 2 channels: 3");
}

TEST(SamplingServiceTest, LogProbabilitiesComeWithTheirTokens) {
  TestServer server;
  ReceivedStream stream =
      Generate(server, GenerateRequestOf("prompt { raw: 'ab' } sampling { max_new_tokens: 3 } "
                                         "output { top_logprobs: 2 echo_prompt: true }"));
  const ReceivedSample& sample = stream.samples[0];
  EXPECT_EQ(sample.raw.substr(0, 2), "ab") << "the echo";
  EXPECT_EQ(sample.first_position, 0U);
  EXPECT_THAT(sample.log_probs, ElementsAre(FakeLogProb(0), FakeLogProb(1), FakeLogProb(2),
                                            FakeLogProb(3), FakeLogProb(4)));
  EXPECT_THAT(sample.top_ids, ElementsAre(0, 1, 0, 1, 0, 1, 0, 1, 0, 1));
  EXPECT_EQ(sample.finished->sum_log_prob(), FakeLogProb(2) + FakeLogProb(3) + FakeLogProb(4));
}

TEST(SamplingServiceTest, MessagesHoldAsManyTokensAsWereAskedFor) {
  TestServer server;
  ReceivedStream one = Generate(server, GenerateRequestOf("output { max_tokens_per_message: 1 }"));
  EXPECT_EQ(one.samples[0].deltas, 64);
  ReceivedStream many =
      Generate(server, GenerateRequestOf("output { max_message_delay { seconds: 10 } }"));
  EXPECT_LE(many.samples[0].deltas, 2) << "the first token, and all others";
}

TEST(SamplingServiceTest, ATimeLimitEndsAStreamWell) {
  TestServer server;
  ReceivedStream stream = Generate(server, GenerateRequestOf("time_limit { nanos: 1 }"));
  EXPECT_TRUE(stream.status.ok());
  EXPECT_EQ(stream.samples[0].finished->reason(), v1::FINISH_REASON_TIME_LIMIT);
}

TEST(SamplingServiceTest, ScoresAddUp) {
  TestServer server;
  v1::ScoreRequest request;
  request.mutable_sequence()->set_raw("abcdefgh");
  request.set_score_from(3);
  request.set_top_logprobs(1);
  grpc::ClientContext context;
  const auto reader = server.sampling().Score(&context, request);
  std::vector<float> chosen;
  std::vector<uint32_t> top_ids;
  v1::ScoreResponse message;
  while (reader->Read(&message)) {
    EXPECT_EQ(message.first_position(), 3 + chosen.size());
    chosen.insert(chosen.end(), message.log_probs().chosen().begin(),
                  message.log_probs().chosen().end());
    top_ids.insert(top_ids.end(), message.log_probs().top_ids().begin(),
                   message.log_probs().top_ids().end());
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_THAT(chosen, ElementsAre(FakeLogProb(3), FakeLogProb(4), FakeLogProb(5), FakeLogProb(6),
                                  FakeLogProb(7)));
  EXPECT_THAT(top_ids, ElementsAre(0, 0, 0, 0, 0));
  const double total = -(4 + 5 + 6 + 7 + 8) / 64.0;
  EXPECT_DOUBLE_EQ(message.total_log_prob(), total);
  EXPECT_DOUBLE_EQ(message.bits_per_token(), -total / std::log(2.0) / 5);
}

TEST(SamplingServiceTest, AnUnknownModelIsNotFound) {
  TestServer server;
  const ReceivedStream stream = Generate(server, GenerateRequestOf("model: 'nobody'"));
  EXPECT_EQ(stream.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(stream.status.error_message(), "no model nobody");
}

TEST(SamplingServiceTest, AWrongFieldIsNamedInTheDetailsAndTheNextRequestRuns) {
  TestServer server;
  const ReceivedStream refused = Generate(server, GenerateRequestOf("sampling { top_p: 7 }"));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(refused.status.error_details()));
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(details.details(1).UnpackTo(&bad_request));
  EXPECT_EQ(bad_request.field_violations(0).field(), "sampling.top_p");
  EXPECT_EQ(ErrorInfoOf(refused.status).domain(), "strided");
  EXPECT_TRUE(Generate(server, GenerateRequestOf("")).status.ok());
  EXPECT_EQ(server.OutcomesAtTheEnd("invalid"), 1);
  EXPECT_EQ(server.Metric("grpc_server_handled_total",
                          {{"grpc_method", "Generate"}, {"grpc_code", "INVALID_ARGUMENT"}}),
            1);
  EXPECT_EQ(server.Metric("grpc_server_started_total", {{"grpc_method", "Generate"}}), 2);
}

TEST(SamplingServiceTest, BytesThatAreNoRequestAreRefusedAndCounted) {
  TestServer server;
  v1::GenerateRequest request;
  request.set_model("\xff");  // a text that is not UTF-8
  const ReceivedStream refused = Generate(server, request);
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(
      refused.status.error_message(),
      "the request is no strided.v1.GenerateRequest: its bytes are malformed, or a text in it "
      "is not UTF-8");
  EXPECT_EQ(ErrorInfoOf(refused.status).domain(), "strided");
  EXPECT_EQ(server.OutcomesAtTheEnd("invalid"), 0) << "it names no model that it could count for";
  EXPECT_EQ(server.Metric("grpc_server_handled_total",
                          {{"grpc_method", "Generate"}, {"grpc_code", "INVALID_ARGUMENT"}}),
            1);
}

TEST(SamplingServiceTest, BytesThatAreNothingToScoreAreRefused) {
  TestServer server;
  v1::ScoreRequest request;
  request.set_model("\xff");
  grpc::ClientContext context;
  v1::ScoreResponse response;
  const auto reader = server.sampling().Score(&context, request);
  EXPECT_FALSE(reader->Read(&response));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("no strided.v1.ScoreRequest"));
}

TEST(SamplingServiceTest, AFullServerRefusesAndTakesOnAgain) {
  TestServer server({.max_requests = 1});
  server.executor().AllowSteps(0);
  grpc::ClientContext context;
  const auto running = server.sampling().Generate(&context, GenerateRequestOf(""));
  v1::GenerateResponse started;
  ASSERT_TRUE(running->Read(&started)) << "Started comes before the first step";
  const ReceivedStream refused = Generate(server, GenerateRequestOf(""));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorInfoOf(refused.status).reason(), "QUEUE_FULL");
  server.executor().AllowAllSteps();
  while (running->Read(&started)) {
  }
  EXPECT_TRUE(running->Finish().ok());
  EXPECT_TRUE(server.admission().AwaitIdle(absl::InfiniteDuration()));
  EXPECT_TRUE(Generate(server, GenerateRequestOf("")).status.ok());
  EXPECT_EQ(server.OutcomesAtTheEnd("rejected_queue"), 1);
}

TEST(SamplingServiceTest, ADrainingServerRefusesAndFinishesWhatItHas) {
  TestServer server;
  server.executor().AllowSteps(0);
  grpc::ClientContext context;
  const auto running = server.sampling().Generate(&context, GenerateRequestOf(""));
  v1::GenerateResponse message;
  ASSERT_TRUE(running->Read(&message));
  server.admission().StartDraining();
  const ReceivedStream refused = Generate(server, GenerateRequestOf(""));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorInfoOf(refused.status).reason(), "DRAINING");
  server.executor().AllowAllSteps();
  while (running->Read(&message)) {
  }
  EXPECT_TRUE(running->Finish().ok());
  EXPECT_TRUE(message.has_summary());
  EXPECT_EQ(server.OutcomesAtTheEnd("draining"), 1);
}

ModelConfig LongConfig() {
  ModelConfig config = TextConfig();
  config.context_length = 40'000;
  return config;
}

// Cancels after `messages` messages, with `steps` steps let through. The job is too long to end
// before its cancellation: without a reader it would be paused.
void CancelAfter(TestServer& server, int steps, int messages) {
  server.executor().AllowSteps(steps);
  grpc::ClientContext context;
  const auto reader = server.sampling().Generate(
      &context, GenerateRequestOf("prompt { raw: 'ab' } sampling { samples: 2 } "
                                  "output { max_tokens_per_message: 1 max_message_delay {} }"));
  v1::GenerateResponse message;
  for (int i = 0; i < messages; ++i) ASSERT_TRUE(reader->Read(&message)) << i;
  context.TryCancel();
  while (reader->Read(&message)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  server.executor().AllowAllSteps();
  // Idle, not only without slots: a job that has not begun yet would take the next case's steps.
  EXPECT_TRUE(server.admission().AwaitIdle(absl::InfiniteDuration()));
  server.executor().AwaitSlotsInUse(0);
}

TEST(SamplingServiceTest, ACancelFreesTheSlotsAtEveryStage) {
  TestServer server({.config = LongConfig()});
  CancelAfter(server, 0, 1);   // before the first step
  CancelAfter(server, 1, 1);   // in the prefill
  CancelAfter(server, 2, 2);   // after the first token
  CancelAfter(server, 20, 9);  // in the middle
  EXPECT_EQ(server.OutcomesAtTheEnd("cancelled"), 4);
}

TEST(SamplingServiceTest, ACancelReachesARequestThatWaits) {
  TestServer server({.config = LongConfig(), .scheduling = {.max_sequences = 1}});
  server.executor().AllowSteps(0);
  grpc::ClientContext first_context;
  const auto first = server.sampling().Generate(
      &first_context, GenerateRequestOf("sampling { max_new_tokens: 10 }"));
  server.executor().AwaitSlotsInUse(1);
  CancelAfter(server, 0, 1);
  v1::GenerateResponse message;
  while (first->Read(&message)) {
  }
  EXPECT_TRUE(first->Finish().ok());
  EXPECT_EQ(server.OutcomesAtTheEnd("cancelled"), 1);
}

TEST(SamplingServiceTest, ACancelOfTheWholeChannelFreesTheSlots) {
  TestServer server;
  server.executor().AllowSteps(5);
  {
    const auto stub = v1::SamplingService::NewStub(server.Connect());
    grpc::ClientContext context;
    const auto reader = stub->Generate(&context, GenerateRequestOf(""));
    v1::GenerateResponse message;
    ASSERT_TRUE(reader->Read(&message));
  }  // nobody reads or finishes
  server.executor().AllowAllSteps();
  server.executor().AwaitSlotsInUse(0);
}

// How the server counts a call whose deadline is over after `limit`.
bool CountsAsEndedByItsDeadline(std::chrono::milliseconds limit) {
  TestServer server({.config = LongConfig()});
  server.executor().AllowSteps(3);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + limit);
  const ReceivedStream stream =
      ReadAll(*server.sampling().Generate(&context, GenerateRequestOf("")));
  EXPECT_EQ(stream.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  server.executor().AllowAllSteps();
  server.executor().AwaitSlotsInUse(0);
  return server.OutcomesAtTheEnd("deadline") == 1;
}

TEST(SamplingServiceTest, ADeadlineStopsTheWork) {
  // A call that comes too late for its deadline, as on a busy machine, is one that was cancelled.
  auto limit = std::chrono::milliseconds(100);
  while (!CountsAsEndedByItsDeadline(limit)) {
    limit *= 2;
    ASSERT_LT(limit, std::chrono::minutes(1)) << "no deadline counts";
  }
}

TEST(SamplingServiceTest, AFailedStepIsAnInternalError) {
  TestServer server;
  server.executor().FailSteps();
  const ReceivedStream stream = Generate(server, GenerateRequestOf(""));
  EXPECT_EQ(stream.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(server.OutcomesAtTheEnd("engine_error"), 1);
}

TEST(SamplingServiceTest, AnEngineThatHangsKeepsNoCallWithoutAnAnswer) {
  TestServer server;
  server.executor().AllowSteps(0);  // one is in a step, the others wait
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>>> readers;
  for (int i = 0; i < 3; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(server.sampling().Generate(contexts.back().get(), GenerateRequestOf("")));
  }
  while (server.Metric("strided_objects_created_total", {{"object", "request"}}) < 3) {
  }
  EXPECT_TRUE(
      server.service().AbandonCalls(absl::InternalError("it hangs"), absl::InfiniteDuration()));
  for (const auto& reader : readers) {
    const grpc::Status status = ReadAll(*reader).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_EQ(status.error_message(), "it hangs");
  }
  server.executor().AllowAllSteps();  // it did not hang for ever
  EXPECT_EQ(server.OutcomesAtTheEnd("engine_error"), 3);
}

TEST(SamplingServiceTest, ACallThatComesAfterwardsIsAnsweredToo) {
  TestServer server;
  server.executor().AllowSteps(0);
  EXPECT_TRUE(
      server.service().AbandonCalls(absl::InternalError("it hangs"), absl::InfiniteDuration()));
  grpc::ClientContext context;
  const auto reader = server.sampling().Generate(&context, GenerateRequestOf(""));
  EXPECT_EQ(ReadAll(*reader).status.error_message(), "it hangs");
  server.executor().AllowAllSteps();
  EXPECT_EQ(server.OutcomesAtTheEnd("engine_error"), 1);
}

// About 12 MiB of messages; transport and connection take 4 MiB before a write stalls.
v1::GenerateRequest LongRequest() {
  return GenerateRequestOf("sampling { seed: 2 } output { top_logprobs: 32 }");
}

TEST(SamplingServiceTest, AReaderThatTakesNothingIsPausedThenAborted) {
  TestServer server({.config = LongConfig(),
                     .scheduling = {.paused_slot_limit = absl::Milliseconds(50),
                                    .paused_job_limit = absl::Milliseconds(200)}});
  grpc::ClientContext context;
  const auto reader = server.sampling().Generate(&context, LongRequest());
  server.executor().AwaitSlotsInUse(1);
  server.executor().AwaitSlotsInUse(0);  // the reader has not read at all
  EXPECT_TRUE(server.admission().AwaitIdle(absl::InfiniteDuration()));
  v1::GenerateResponse message;
  while (reader->Read(&message)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(server.OutcomesAtTheEnd("slow_reader"), 1);
}

TEST(SamplingServiceTest, AReaderThatCatchesUpLosesNothing) {
  TestServer server(
      {.config = LongConfig(), .scheduling = {.paused_slot_limit = absl::Milliseconds(50)}});
  grpc::ClientContext context;
  const auto reader = server.sampling().Generate(&context, LongRequest());
  server.executor().AwaitSlotsInUse(1);
  server.executor().AwaitSlotsInUse(0);  // paused, and its slot given away
  ReceivedStream stream = ReadAll(*reader);
  EXPECT_TRUE(stream.status.ok()) << stream.status.error_message();
  EXPECT_TRUE(stream.raw() == ExpectedRaw("", 40'000, 2));
  EXPECT_GE(stream.summary->preemptions(), 1U);
}

TEST(SamplingServiceTest, ManyClientsAtOnceEachGetTheirOwnTokens) {
  constexpr int kClients = 16;
  TestServer server({.scheduling = {.max_sequences = 8}});
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&server, i] {
      for (int round = 0; round < 5; ++round) {
        const auto seed = static_cast<uint64_t>(100 * i + round);
        ReceivedStream stream = Generate(
            server, GenerateRequestOf(absl::StrCat("sampling { samples: 2 seed: ", seed, " }")));
        EXPECT_TRUE(stream.status.ok()) << stream.status.error_message();
        EXPECT_EQ(stream.raw(0), ExpectedRaw("", 64, seed, 0));
        EXPECT_EQ(stream.raw(1), ExpectedRaw("", 64, seed, 1));
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(server.OutcomesAtTheEnd("ok"), 5 * kClients);
}

}  // namespace
}  // namespace strided
