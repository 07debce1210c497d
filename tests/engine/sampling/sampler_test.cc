// What each parameter does, shown on distributions small enough to follow by eye.

#include "engine/sampling/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <vector>

namespace strided {
namespace {

using ::testing::ElementsAre;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Sampler SamplerFor(const SamplingParameters& parameters, int vocab_size, int prompt_length = 0) {
  return Sampler({.parameters = parameters,
                  .seed = 1234,
                  .sample_index = 0,
                  .prompt_length = prompt_length,
                  .vocab_size = vocab_size});
}

// The ids that 4,000 draws give.
std::set<int32_t> Drawn(Sampler sampler, const std::vector<float>& logits) {
  std::set<int32_t> ids;
  for (int position = 0; position < 4000; ++position) ids.insert(sampler.Sample(position, logits));
  return ids;
}

std::set<int32_t> Drawn(const SamplingParameters& parameters, const std::vector<float>& logits) {
  return Drawn(SamplerFor(parameters, static_cast<int>(logits.size())), logits);
}

std::vector<float> LogitsOf(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::vector<float> NormalLogits(int vocab_size, unsigned seed) {
  std::mt19937 bits(seed);
  std::vector<float> logits(static_cast<size_t>(vocab_size));
  for (float& logit : logits) logit = static_cast<float>(bits() % 20000) / 2000.0F - 5;
  return logits;
}

TEST(SamplerTest, WithoutFiltersEveryTokenCanBeDrawn) {
  EXPECT_THAT(Drawn({}, LogitsOf({.4, .3, .2, .1})), ElementsAre(0, 1, 2, 3));
}

TEST(SamplerTest, TemperatureZeroGivesTheLargestAndTheLowestIdOnTies) {
  EXPECT_THAT(Drawn({.temperature = 0}, {1, 3, -2, 3}), ElementsAre(1));
}

TEST(SamplerTest, ATinyTemperatureGivesTheLargest) {
  const double smallest = std::numeric_limits<double>::denorm_min();
  EXPECT_THAT(Drawn({.temperature = smallest}, {1, 3, 2.9999F}), ElementsAre(1));
}

TEST(SamplerTest, TopKKeepsTheLowerIdOnTies) {
  EXPECT_THAT(Drawn({.top_k = 2}, {0, 2, 1, 1}), ElementsAre(1, 2));
  EXPECT_THAT(Drawn({.top_k = 1}, {2, 2, 2, 2}), ElementsAre(0));
}

TEST(SamplerTest, TopPKeepsTheTokenThatCrossesTheShare) {
  const std::vector<float> logits = LogitsOf({.1, .4, .2, .3});
  EXPECT_THAT(Drawn({.top_p = .39}, logits), ElementsAre(1));
  EXPECT_THAT(Drawn({.top_p = .41}, logits), ElementsAre(1, 3));
  EXPECT_THAT(Drawn({.top_p = .71}, logits), ElementsAre(1, 2, 3));
  EXPECT_THAT(Drawn({.top_p = 1e-300}, logits), ElementsAre(1));
}

TEST(SamplerTest, TopPKeepsTheLowerIdOnTies) {
  EXPECT_THAT(Drawn({.top_p = .5}, {0, 0, 0, 0}), ElementsAre(0, 1));
}

TEST(SamplerTest, MinPIsRelativeToTheMostLikely) {
  const std::vector<float> logits = LogitsOf({.5, .26, .14, .1});
  EXPECT_THAT(Drawn({.min_p = .5}, logits), ElementsAre(0, 1));
  EXPECT_THAT(Drawn({.min_p = .27}, logits), ElementsAre(0, 1, 2));
  EXPECT_THAT(Drawn({.min_p = .9999}, logits), ElementsAre(0));
}

TEST(SamplerTest, TypicalPMayDropTheMostLikely) {
  // Entropy 2.16: one token has surprise 0.92, twelve have 3.00 and are nearer to it.
  std::vector<double> probabilities = {.4};
  probabilities.resize(13, .05);
  const std::set<int32_t> drawn = Drawn({.typical_p = .28}, LogitsOf(probabilities));
  EXPECT_THAT(drawn, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(SamplerTest, ABiasOnOneIdIsAddedToItsLogitAlone) {
  EXPECT_THAT(Drawn({.temperature = 0, .logit_bias = {{2, 5}}}, {3, 0, 0}), ElementsAre(2));
  EXPECT_THAT(Drawn({.logit_bias = {{0, -1000}}}, {3, 0, 0}), ElementsAre(1, 2));
}

TEST(SamplerTest, OnlyAllowedIdsAreDrawnWhateverTheirBias) {
  const SamplingParameters parameters = {.logit_bias = {{0, 100}}, .allowed_ids = {1, 3}};
  EXPECT_THAT(Drawn(parameters, {9, 0, 9, 0}), ElementsAre(1, 3));
}

TEST(SamplerTest, RepetitionCoversThePromptAndLowersNegativeLogitsToo) {
  Sampler sampler = SamplerFor({.temperature = 0, .repetition_penalty = 2}, 3, 1);
  sampler.Observe(0, 2);  // prompt
  EXPECT_EQ(sampler.Sample(1, std::vector<float>{0, 1, 1.5F}), 1);
  EXPECT_EQ(sampler.Sample(1, std::vector<float>{-9, -3, -2}), 1);
}

TEST(SamplerTest, PresenceAndFrequencyIgnoreThePrompt) {
  for (const SamplingParameters& parameters :
       {SamplingParameters{.temperature = 0, .presence_penalty = 1},
        SamplingParameters{.temperature = 0, .frequency_penalty = 1}}) {
    Sampler sampler = SamplerFor(parameters, 2, 1);
    sampler.Observe(0, 1);  // prompt
    EXPECT_EQ(sampler.Sample(1, std::vector<float>{0, .5F}), 1);
    sampler.Observe(1, 1);  // generated
    EXPECT_EQ(sampler.Sample(2, std::vector<float>{0, .5F}), 0);
  }
}

TEST(SamplerTest, FrequencyCountsOccurrencesAndPresenceDoesNot) {
  Sampler frequency = SamplerFor({.temperature = 0, .frequency_penalty = 1}, 2);
  Sampler presence = SamplerFor({.temperature = 0, .presence_penalty = 1}, 2);
  for (int position = 0; position < 3; ++position) {
    frequency.Observe(position, 1);
    presence.Observe(position, 1);
  }
  EXPECT_EQ(frequency.Sample(3, std::vector<float>{0, 2.5F}), 0);
  EXPECT_EQ(presence.Sample(3, std::vector<float>{0, 2.5F}), 1);
}

TEST(SamplerTest, BiasComesBeforeThePenalty) {
  Sampler sampler =
      SamplerFor({.temperature = 0, .repetition_penalty = 2, .logit_bias = {{0, 1}}}, 2);
  sampler.Observe(0, 0);
  // (1 + 1) / 2 = 1, against 1 / 2 + 1 = 1.5.
  EXPECT_EQ(sampler.Sample(1, std::vector<float>{1, 1.2F}), 1);
}

TEST(SamplerTest, PenaltiesComeBeforeTopK) {
  Sampler sampler = SamplerFor({.top_k = 1, .presence_penalty = 1}, 2);
  sampler.Observe(0, 0);
  EXPECT_THAT(Drawn(sampler, {1.5F, 1}), ElementsAre(1));
}

TEST(SamplerTest, TemperatureComesBeforeTopP) {
  // At temperature 2: .586, .414 of the square roots' sum.
  EXPECT_THAT(Drawn({.temperature = 2, .top_p = .6}, LogitsOf({2. / 3, 1. / 3})),
              ElementsAre(0, 1));
  EXPECT_THAT(Drawn({.temperature = 1, .top_p = .6}, LogitsOf({2. / 3, 1. / 3})), ElementsAre(0));
}

TEST(SamplerTest, TopPSeesWhatTopKLeftRenormalised) {
  // .4 / .7 = .571 passes .5 alone; .4 of 1 does not.
  const std::vector<float> logits = LogitsOf({.4, .3, .2, .1});
  EXPECT_THAT(Drawn({.top_k = 2, .top_p = .5}, logits), ElementsAre(0));
  EXPECT_THAT(Drawn({.top_p = .5}, logits), ElementsAre(0, 1));
}

TEST(SamplerTest, TypicalPSeesWhatMinPLeftRenormalised) {
  // Of all four the entropy is 1.25, nearest to the surprise of .3; of the first two, renormalised
  // to .571 and .429, it is .683, nearer to .560 than to .847.
  const std::vector<float> logits = LogitsOf({.4, .3, .2, .1});
  EXPECT_THAT(Drawn({.typical_p = .1}, logits), ElementsAre(1));
  EXPECT_THAT(Drawn({.min_p = .7, .typical_p = .1}, logits), ElementsAre(0));
}

TEST(SamplerTest, EqualSeedSampleAndPositionGiveTheSameToken) {
  const std::vector<float> logits = NormalLogits(256, 1);
  Sampler forwards = SamplerFor({.top_p = .9}, 256);
  Sampler backwards = SamplerFor({.top_p = .9}, 256);
  std::vector<int32_t> first;
  for (int position = 0; position < 500; ++position) {
    forwards.Observe(position, position % 256);  // without penalties the history is irrelevant
    first.push_back(forwards.Sample(position + 1, logits));
  }
  for (int position = 499; position >= 0; --position) {
    EXPECT_EQ(backwards.Sample(position + 1, logits), first[static_cast<size_t>(position)]);
  }
}

TEST(SamplerTest, SeedsAndSamplesDrawDifferently) {
  const std::vector<float> logits(256, 0);
  Sampler base({.seed = 1, .sample_index = 0, .vocab_size = 256});
  Sampler seed({.seed = 2, .sample_index = 0, .vocab_size = 256});
  Sampler sample({.seed = 1, .sample_index = 1, .vocab_size = 256});
  int equal_seed = 0;
  int equal_sample = 0;
  for (int position = 0; position < 2560; ++position) {
    const int32_t token = base.Sample(position, logits);
    equal_seed += seed.Sample(position, logits) == token ? 1 : 0;
    equal_sample += sample.Sample(position, logits) == token ? 1 : 0;
  }
  EXPECT_LT(equal_seed, 30);  // 10 expected by chance
  EXPECT_LT(equal_sample, 30);
}

TEST(SamplerTest, AnInheritedHistoryCountsAsObserved) {
  Sampler parent = SamplerFor({}, 3, 1);  // tracks although its own penalties are off
  parent.Observe(0, 2);
  parent.Observe(1, 1);
  Sampler child = SamplerFor({.temperature = 0, .presence_penalty = 1}, 3, 1);
  child.InheritHistory(parent);
  EXPECT_EQ(child.Sample(2, std::vector<float>{0, .5F, .3F}), 2);
}

TEST(SamplerTest, AnAllowedIdIsGivenEvenIfNoneIsLikely) {
  const SamplingParameters parameters = {.top_p = .9, .allowed_ids = {2, 3}};
  EXPECT_THAT(Drawn(parameters, {0, 0, -kInfinity, -kInfinity}), ElementsAre(2));
  EXPECT_THAT(Drawn(parameters, {0, 0, -kInfinity, -50}), ElementsAre(3));
}

TEST(SamplerTest, MinusInfinityIsNeverDrawn) {
  EXPECT_THAT(Drawn({.temperature = 100}, {-kInfinity, 0, -kInfinity, 0}), ElementsAre(1, 3));
}

TEST(SamplerTest, LogitsThatAreNotFiniteDoNotCrash) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const SamplingParameters filters = {.top_k = 3, .top_p = .9, .min_p = .01, .typical_p = .9};
  EXPECT_THAT(Drawn(filters, {nan, nan, nan, nan}), ElementsAre(0));
  EXPECT_THAT(Drawn(filters, {nan, 1, nan, nan}), ElementsAre(1));
  EXPECT_THAT(Drawn(filters, {0, kInfinity, nan, -kInfinity}), ElementsAre(1));
}

TEST(SamplerTest, ExtremeBiasesAndPenaltiesStayInRange) {
  const float huge = std::numeric_limits<float>::max();
  const SamplingParameters parameters = {.repetition_penalty = 1e-300,
                                         .logit_bias = {{0, huge}, {1, -huge}}};
  Sampler sampler = SamplerFor(parameters, 3);
  sampler.Observe(0, 0);
  EXPECT_THAT(Drawn(sampler, {huge, -huge, huge}), ElementsAre(0, 2));
}

TEST(SamplerTest, AVocabularyOfOneHasOneToken) {
  const SamplingParameters parameters = {
      .top_k = 1, .top_p = .5, .min_p = .5, .typical_p = .5, .allowed_ids = {0}};
  EXPECT_THAT(Drawn(parameters, {-1e30F}), ElementsAre(0));
}

TEST(SamplerTest, TheLargestVocabularyKeepsItsMassWithin64Bits) {
  Sampler sampler = SamplerFor({}, kLargestVocabulary);
  const std::vector<float> logits(static_cast<size_t>(kLargestVocabulary), 0);
  double sum = 0;
  for (int position = 0; position < 64; ++position) sum += sampler.Sample(position, logits);
  // Uniform: mean 2^19, standard error 2^20 / sqrt(12 * 64).
  EXPECT_NEAR(sum / 64 / kLargestVocabulary, .5, 5 / std::sqrt(12.0 * 64));
}

// Pinned: a change here breaks seeds that clients have kept.
TEST(SamplerTest, DrawsTheSameTokensAsEver) {
  const std::vector<float> logits = NormalLogits(256, 7);
  Sampler plain = SamplerFor({}, 256);
  Sampler filtered = SamplerFor(
      {.temperature = .8, .top_k = 50, .top_p = .9, .min_p = .01, .typical_p = .95}, 256);
  std::vector<int32_t> plain_tokens;
  std::vector<int32_t> filtered_tokens;
  for (int position = 0; position < 8; ++position) {
    plain_tokens.push_back(plain.Sample(position, logits));
    filtered_tokens.push_back(filtered.Sample(position, logits));
  }
  EXPECT_THAT(plain_tokens, ElementsAre(224, 28, 244, 36, 231, 50, 156, 107));
  EXPECT_THAT(filtered_tokens, ElementsAre(228, 36, 244, 36, 231, 50, 156, 107));
}

}  // namespace
}  // namespace strided
