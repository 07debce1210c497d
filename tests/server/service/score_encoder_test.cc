#include "server/service/score_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace strided {
namespace {

using ::testing::ElementsAre;

TokenBatch Batch(int first_position, std::vector<float> log_probs) {
  TokenBatch batch;
  batch.first_position = first_position;
  batch.tokens.resize(log_probs.size());
  batch.log_probs = std::move(log_probs);
  return batch;
}

TEST(ScoreEncoderTest, TheLastMessageCarriesTheTotalsOfAll) {
  ScoreEncoder encoder;
  const v1::ScoreResponse first = encoder.Encode(Batch(4, {-1, -2}));
  EXPECT_EQ(first.first_position(), 4U);
  EXPECT_THAT(first.log_probs().chosen(), ElementsAre(-1, -2));
  EXPECT_FALSE(first.has_total_log_prob());
  encoder.Encode(Batch(6, {-0.5F}));
  const v1::ScoreResponse last = encoder.Encode(JobSummary{});
  EXPECT_EQ(last.first_position(), 7U);
  EXPECT_EQ(last.log_probs().chosen_size(), 0);
  EXPECT_DOUBLE_EQ(last.total_log_prob(), -3.5);
  EXPECT_DOUBLE_EQ(last.bits_per_token(), 3.5 / std::log(2.0) / 3);
}

}  // namespace
}  // namespace strided
