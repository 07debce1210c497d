#include "engine/sampling/log_probs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace strided {
namespace {

using ::testing::ElementsAre;

std::vector<float> RandomLogits(std::mt19937& bits, int vocab_size, float spread) {
  std::vector<float> logits(static_cast<size_t>(vocab_size));
  for (float& logit : logits) {
    logit = (static_cast<float>(bits() % 65536) / 32768.0F - 1.0F) * spread;
  }
  return logits;
}

double ReferenceLogSumExp(const std::vector<float>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

TEST(LogProbsTest, TheSumIsWithinItsBoundOfDoublePrecision) {
  std::mt19937 bits(1);
  double worst = 0;
  size_t worst_size = 0;
  for (const int vocab_size : {1, 2, 3, 63, 64, 65, 256, 1000, 50257}) {
    for (const float spread : {0.0F, 0.01F, 1.0F, 8.0F, 60.0F, 1000.0F}) {
      const std::vector<float> logits = RandomLogits(bits, vocab_size, spread);
      const double error = std::abs(LogSumExp(logits) - ReferenceLogSumExp(logits));
      if (error > worst) {
        worst = error;
        worst_size = logits.size();
      }
    }
  }
  EXPECT_LT(worst, 3e-7) << "worst with a vocabulary of " << worst_size;
}

TEST(LogProbsTest, ALogProbabilityIsTheLogitLessTheSum) {
  const std::vector<float> logits = {1, 2, 3};
  const double sum = std::log(std::exp(1.0) + std::exp(2.0) + std::exp(3.0));
  for (int32_t token = 0; token < 3; ++token) {
    EXPECT_NEAR(LogProbs(logits, token, {}, {}), token + 1 - sum, 3e-7) << "token " << token;
  }
}

TEST(LogProbsTest, ATokenTooUnlikelyToBeDrawnStillHasItsLogProbability) {
  EXPECT_FLOAT_EQ(LogProbs(std::vector<float>{0, -500}, 1, {}, {}), -500);
}

TEST(LogProbsTest, TheTopComesMostLikelyFirstAndTheLowerIdOnTies) {
  const std::vector<float> logits = {1, 5, 3, 5, 3, 3};
  std::vector<int32_t> ids(4);
  std::vector<float> values(4);
  const float chosen = LogProbs(logits, 1, ids, values);
  EXPECT_THAT(ids, ElementsAre(1, 3, 2, 4));
  EXPECT_EQ(values[0], chosen);
  EXPECT_EQ(values[1], chosen);
  EXPECT_EQ(values[2], LogProbs(logits, 5, {}, {}));
}

TEST(LogProbsTest, TheTopAgreesWithAFullSort) {
  std::mt19937 bits(2);
  for (int i = 0; i < 200; ++i) {
    const int vocab_size = 1 + static_cast<int>(bits() % 300);
    std::vector<float> logits = RandomLogits(bits, vocab_size, 4);
    for (float& logit : logits) logit = std::round(logit * 4) / 4;  // many ties
    std::vector<int32_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
    });
    std::vector<int32_t> ids(bits() % (logits.size() + 1));
    std::vector<float> values(ids.size());
    LogProbs(logits, 0, ids, values);
    order.resize(ids.size());
    ASSERT_EQ(ids, order) << "case " << i;
    for (size_t k = 0; k < ids.size(); ++k) {
      ASSERT_EQ(values[k], LogProbs(logits, ids[k], {}, {})) << "case " << i << " rank " << k;
    }
  }
}

TEST(LogProbsTest, ProbabilitiesSumToOne) {
  std::mt19937 bits(3);
  const std::vector<float> logits = RandomLogits(bits, 256, 6);
  double sum = 0;
  for (int32_t token = 0; token < 256; ++token) sum += std::exp(LogProbs(logits, token, {}, {}));
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST(LogProbsTest, ANanOrAnInfinityAnywhereIsFound) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {nan, -nan, infinity, -infinity}) {
    for (size_t i = 0; i < 37; ++i) {
      std::vector<float> logits(37, std::numeric_limits<float>::max());
      EXPECT_TRUE(AllFinite(logits));
      logits[i] = bad;
      EXPECT_FALSE(AllFinite(logits)) << bad << " at " << i;
    }
  }
}

TEST(LogProbsTest, RowsThatAreNotFiniteStillReturn) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::vector<float>& logits :
       {std::vector<float>{nan, nan, nan}, {infinity, infinity, 0}, {-infinity, -infinity, nan}}) {
    std::vector<int32_t> ids(2);
    std::vector<float> values(2);
    EXPECT_FALSE(AllFinite(logits));
    LogProbs(logits, 1, ids, values);
    for (const int32_t id : ids) EXPECT_TRUE(id >= 0 && id < 3) << id;
  }
}

}  // namespace
}  // namespace strided
