#include "server/service/generate_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace strided {
namespace {

using ::testing::ElementsAre;

v1::Started NamedStarted() {
  v1::Started started;
  started.set_request_id("r");
  return started;
}

TokenBatch Batch(std::vector<int32_t> tokens) {
  TokenBatch batch;
  batch.tokens = std::move(tokens);
  return batch;
}

TEST(GenerateEncoderTest, MessagesAreNumberedFromZero) {
  GenerateEncoder encoder(NamedStarted(), {});
  const v1::GenerateResponse first = encoder.Encode(Opening{});
  EXPECT_EQ(first.message_index(), 0U);
  EXPECT_EQ(first.started().request_id(), "r");
  EXPECT_EQ(encoder.Encode(JobProgress{}).message_index(), 1U);
  EXPECT_EQ(encoder.Encode(JobSummary{}).message_index(), 2U);
}

TEST(GenerateEncoderTest, ByteTokensTravelAsBytes) {
  GenerateEncoder encoder({}, {.format = TokenFormat::kRaw});
  TokenBatch batch = Batch({0, 97, 255});
  batch.sample_index = 3;
  batch.first_position = 7;
  const v1::GenerateResponse response = encoder.Encode(batch);
  EXPECT_EQ(response.delta().sample_index(), 3U);
  EXPECT_EQ(response.delta().first_position(), 7U);
  EXPECT_EQ(response.delta().raw(), std::string("\0a\xff", 3));
  EXPECT_FALSE(response.delta().has_log_probs());
}

TEST(GenerateEncoderTest, OtherTokensTravelAsIds) {
  GenerateEncoder encoder({}, {.format = TokenFormat::kIds});
  const v1::GenerateResponse response = encoder.Encode(Batch({0, 50000}));
  EXPECT_THAT(response.delta().ids().ids(), ElementsAre(0, 50000));
}

TEST(GenerateEncoderTest, Pcm16IsTwoBytesATokenLowByteFirst) {
  GenerateEncoder encoder({}, {.format = TokenFormat::kPcm16});
  const v1::GenerateResponse response = encoder.Encode(Batch({0, 255}));
  EXPECT_EQ(response.delta().raw(), "\x01\x80\xff\x7f");
}

TEST(GenerateEncoderTest, LogProbabilitiesStandBesideTheTokens) {
  GenerateEncoder encoder({}, {});
  const v1::GenerateResponse response = encoder.Encode(TokenBatch{
      .tokens = {1, 2}, .log_probs = {-1, -2}, .top_ids = {5, 6}, .top_values = {-0.5F, -0.25F}});
  const v1::LogProbs& log_probs = response.delta().log_probs();
  EXPECT_THAT(log_probs.chosen(), ElementsAre(-1, -2));
  EXPECT_EQ(log_probs.top_count(), 1U);
  EXPECT_THAT(log_probs.top_ids(), ElementsAre(5, 6));
  EXPECT_THAT(log_probs.top_values(), ElementsAre(-0.5F, -0.25F));
}

TEST(GenerateEncoderTest, ASamplesEndSaysWhyAndHowMuch) {
  GenerateEncoder encoder({}, {});
  const v1::GenerateResponse response = encoder.Encode(SampleEnd{.sample_index = 1,
                                                                 .reason = FinishReason::kStop,
                                                                 .matched_stop = {'\n', '\n'},
                                                                 .generated_tokens = 12,
                                                                 .sum_log_prob = -3.5});
  EXPECT_EQ(response.finished().sample_index(), 1U);
  EXPECT_EQ(response.finished().reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(response.finished().matched_stop_sequence(), "\n\n");
  EXPECT_EQ(response.finished().generated_tokens(), 12U);
  EXPECT_EQ(response.finished().sum_log_prob(), -3.5);
}

TEST(GenerateEncoderTest, ProgressAndSummaryAreCarriedOver) {
  GenerateEncoder encoder({}, {});
  const v1::GenerateResponse progress = encoder.Encode(
      JobProgress{.phase = JobPhase::kPrefilling, .queue_position = 4, .prefilled_tokens = 5});
  EXPECT_EQ(progress.progress().ShortDebugString(),
            "state: STATE_PREFILLING queue_position: 4 prefilled_tokens: 5");
  const v1::GenerateResponse summary =
      encoder.Encode(JobSummary{.prompt_tokens = 1,
                                .generated_tokens = 2,
                                .queue_time = absl::Milliseconds(1500),
                                .prefill_time = absl::Seconds(3),
                                .time_to_first_token = absl::Nanoseconds(7),
                                .decode_time = absl::ZeroDuration(),
                                .preemptions = 6});
  EXPECT_EQ(summary.summary().ShortDebugString(),
            "prompt_tokens: 1 generated_tokens: 2 queue_time { seconds: 1 nanos: 500000000 } "
            "prefill_time { seconds: 3 } time_to_first_token { nanos: 7 } decode_time { } "
            "preemptions: 6");
}

}  // namespace
}  // namespace strided
