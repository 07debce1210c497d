#include "client/cpp/generation_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/cpp/messages.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The message as the caller sees it; none where Accept gives none. Fails the test on an error.
std::optional<v1::GenerateResponse> Accept(GenerationRecord& record, v1::GenerateResponse message) {
  auto seen = record.Accept(std::move(message));
  EXPECT_OK(seen);
  return seen.ok() ? *seen : std::nullopt;
}

TEST(GenerationRecordTest, AWholeStreamPassesThrough) {
  GenerationRecord record{v1::GenerateRequest()};
  EXPECT_TRUE(Accept(record, StartedMessage()).has_value());
  EXPECT_EQ(Accept(record, DeltaMessage(0, 0, "ab"))->delta().raw(), "ab");
  EXPECT_TRUE(Accept(record, FinishedMessage(0, 2)).has_value());
  EXPECT_TRUE(record.complete());
  EXPECT_EQ(Accept(record, SummaryMessage())->message_index(), 3U);
  EXPECT_TRUE(record.summarized());
  EXPECT_EQ(record.delivered_tokens(), 2U);
}

TEST(GenerationRecordTest, AResumeHasSeedFingerprintAndTheGeneratedTokens) {
  v1::GenerateRequest request;
  request.set_model("bytes");
  request.mutable_prompt()->set_raw("xyz");
  request.mutable_sampling()->set_samples(2);
  request.mutable_time_limit()->set_seconds(10);
  GenerationRecord record(request);
  Accept(record, StartedMessage(/*samples=*/2, /*prompt_tokens=*/3));
  Accept(record, DeltaMessage(0, 3, "ab"));
  Accept(record, DeltaMessage(1, 3, "c"));
  Accept(record, FinishedMessage(0, 2));
  const std::vector<v1::GenerateRequest> resumes = record.Resumes(absl::Seconds(4));
  ASSERT_EQ(resumes.size(), 1U);
  EXPECT_EQ(resumes[0].model(), "bytes/1");
  EXPECT_EQ(resumes[0].request_id(), "r1");
  EXPECT_EQ(resumes[0].prompt().raw(), "xyz");
  EXPECT_EQ(resumes[0].sampling().seed(), 7U);
  EXPECT_EQ(resumes[0].sampling().samples(), 2U);
  EXPECT_EQ(resumes[0].resume().sample_index(), 1U);
  EXPECT_EQ(resumes[0].resume().generated().raw(), "c");
  EXPECT_EQ(resumes[0].resume().model_fingerprint(), "f1");
  EXPECT_EQ(resumes[0].time_limit().seconds(), 6);
}

TEST(GenerationRecordTest, AResumedStreamShowsNoSeam) {
  GenerationRecord record{v1::GenerateRequest()};
  Accept(record, StartedMessage());
  Accept(record, DeltaMessage(0, 0, "ab"));
  EXPECT_FALSE(Accept(record, StartedMessage()).has_value());
  const auto rest = Accept(record, DeltaMessage(0, 2, "cd"));
  EXPECT_EQ(rest->delta().raw(), "cd");
  EXPECT_EQ(rest->message_index(), 2U);
  Accept(record, FinishedMessage(0, 4));
  EXPECT_FALSE(Accept(record, SummaryMessage(9)).has_value());
  const v1::Summary summary = record.ClosingSummary().summary();
  EXPECT_EQ(summary.generated_tokens(), 4U);
  EXPECT_EQ(summary.decode_time().seconds(), 9);
}

TEST(GenerationRecordTest, TokensThatWereSeenAreCutOff) {
  GenerationRecord record{v1::GenerateRequest()};
  Accept(record, StartedMessage());
  Accept(record, DeltaMessage(0, 0, "abc"));
  EXPECT_FALSE(Accept(record, DeltaMessage(0, 0, "ab")).has_value());
  v1::GenerateResponse overlapping = DeltaMessage(0, 1, "bcde");
  v1::LogProbs* log_probs = overlapping.mutable_delta()->mutable_log_probs();
  log_probs->set_top_count(1);
  for (int i = 1; i <= 4; ++i) {
    log_probs->add_chosen(-static_cast<float>(i));
    log_probs->add_top_ids(static_cast<uint32_t>(i));
    log_probs->add_top_values(-static_cast<float>(i));
  }
  const v1::Delta fresh = Accept(record, overlapping)->delta();
  EXPECT_EQ(fresh.raw(), "de");
  EXPECT_EQ(fresh.first_position(), 3U);
  EXPECT_THAT(fresh.log_probs().chosen(), ElementsAre(-3, -4));
  EXPECT_THAT(fresh.log_probs().top_ids(), ElementsAre(3, 4));
  EXPECT_EQ(record.delivered_tokens(), 5U);
}

TEST(GenerationRecordTest, AnEchoOfThePromptIsNotGenerated) {
  v1::GenerateRequest request;
  request.mutable_output()->set_echo_prompt(true);
  GenerationRecord record(request);
  Accept(record, StartedMessage(1, /*prompt_tokens=*/3));
  Accept(record, DeltaMessage(0, 0, "xy"));
  EXPECT_EQ(record.Resumes(absl::ZeroDuration())[0].resume().generated().raw(), "");
  Accept(record, DeltaMessage(0, 2, "zab"));
  EXPECT_EQ(record.Resumes(absl::ZeroDuration())[0].resume().generated().raw(), "ab");
}

TEST(GenerationRecordTest, SixteenBitSamplesTakeTwoBytesEach) {
  v1::GenerateResponse started = StartedMessage();
  started.mutable_started()->mutable_audio()->set_encoding(v1::AUDIO_ENCODING_PCM16);
  GenerationRecord record{v1::GenerateRequest()};
  Accept(record, started);
  Accept(record, DeltaMessage(0, 0, "aabb"));
  EXPECT_EQ(Accept(record, DeltaMessage(0, 1, "bbcc"))->delta().raw(), "cc");
  EXPECT_EQ(record.Resumes(absl::ZeroDuration())[0].resume().generated().raw(), "aabbcc");
  EXPECT_THAT(record.Accept(DeltaMessage(0, 3, "d")),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("1 bytes for tokens of 2 bytes")));
}

TEST(GenerationRecordTest, IdsAreResumedAsIds) {
  GenerationRecord record{v1::GenerateRequest()};
  Accept(record, StartedMessage());
  v1::GenerateResponse delta = DeltaMessage(0, 0, "");
  delta.mutable_delta()->mutable_ids()->add_ids(70'000);
  Accept(record, delta);
  EXPECT_THAT(record.Resumes(absl::ZeroDuration())[0].resume().generated().ids().ids(),
              ElementsAre(70'000));
}

TEST(GenerationRecordTest, ACallersOwnResumeGoesOnFromItsTokens) {
  v1::GenerateRequest request;
  request.mutable_resume()->mutable_generated()->set_raw("abc");
  request.mutable_resume()->set_sample_index(1);
  GenerationRecord record(request);
  Accept(record, StartedMessage(/*samples=*/2, /*prompt_tokens=*/4));
  EXPECT_EQ(Accept(record, DeltaMessage(1, 7, "d"))->delta().raw(), "d");
  EXPECT_EQ(record.Resumes(absl::ZeroDuration())[0].resume().generated().raw(), "abcd");
  Accept(record, FinishedMessage(1, 4));
  EXPECT_TRUE(record.complete());
}

TEST(GenerationRecordTest, WhatBreaksTheGrammarIsAnError) {
  GenerationRecord record{v1::GenerateRequest()};
  EXPECT_THAT(record.Accept(DeltaMessage(0, 0, "a")),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("does not begin with Started")));
  Accept(record, StartedMessage());
  EXPECT_THAT(record.Accept(DeltaMessage(0, 5, "a")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("position 0 is missing")));
  EXPECT_THAT(record.Accept(DeltaMessage(3, 0, "a")),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("not asked for")));
  EXPECT_THAT(record.Accept(SummaryMessage()),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("before every sample finished")));
  Accept(record, FinishedMessage(0, 0));
  EXPECT_THAT(record.Accept(DeltaMessage(0, 0, "a")),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("after its end")));
}

TEST(GenerationRecordTest, OtherWeightsCannotGoOn) {
  GenerationRecord record{v1::GenerateRequest()};
  Accept(record, StartedMessage());
  v1::GenerateResponse other = StartedMessage();
  other.mutable_started()->set_model_fingerprint("f2");
  EXPECT_THAT(record.Accept(other),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("f2")));
}

TEST(GenerationRecordTest, AnAbsurdNumberOfSamplesIsRefused) {
  GenerationRecord record{v1::GenerateRequest()};
  EXPECT_THAT(record.Accept(StartedMessage(4'000'000'000U)),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("announces 4000000000 samples")));
}

}  // namespace
}  // namespace strided::client
