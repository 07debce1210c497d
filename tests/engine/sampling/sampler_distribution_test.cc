// The sampler against its definition in double precision: which tokens may be drawn, and how often.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "engine/sampling/philox.h"
#include "engine/sampling/sampler.h"
#include "tests/engine/sampling/reference_sampler.h"

namespace strided {
namespace {

constexpr uint64_t kSeed = 20190423;

// Sums of twelve uniform numbers, so that every standard library gives the same.
std::vector<float> NormalLogits(std::mt19937& bits, int vocab_size, double spread) {
  std::vector<float> logits(static_cast<size_t>(vocab_size));
  for (float& logit : logits) {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(bits()) / 4294967296.0;
    logit = static_cast<float>(sum * spread);
  }
  return logits;
}

Sampler SamplerAfter(const SamplingParameters& parameters, const ReferenceHistory& history,
                     int vocab_size) {
  Sampler sampler({.parameters = parameters,
                   .seed = kSeed,
                   .sample_index = 3,
                   .prompt_length = static_cast<int>(history.prompt.size()),
                   .vocab_size = vocab_size});
  int position = 0;
  for (const int32_t token : history.prompt) sampler.Observe(position++, token);
  for (const int32_t token : history.generated) sampler.Observe(position++, token);
  return sampler;
}

// The quantile of chi-square that chance exceeds once in 10^6 (Wilson and Hilferty 1931).
double ChiSquareLimit(double freedom) {
  const double third = 2 / (9 * freedom);
  return freedom * std::pow(1 - third + 4.7534 * std::sqrt(third), 3);
}

// 20,000 draws against the reference; tokens expected fewer than 5 times share one cell.
void ExpectDistribution(const SamplingParameters& parameters, const ReferenceHistory& history,
                        const std::vector<float>& logits) {
  constexpr int kDraws = 20000;
  const Distribution expected = ReferenceDistribution(parameters, history, logits);
  Sampler sampler = SamplerAfter(parameters, history, static_cast<int>(logits.size()));
  std::map<int32_t, int> drawn;
  for (int position = 0; position < kDraws; ++position) ++drawn[sampler.Sample(position, logits)];

  double chi_square = 0;
  double freedom = -1;
  double worst = 0;
  int32_t worst_id = -1;
  double rare_expected = 0;
  double rare_drawn = 0;
  const auto add_cell = [&](int32_t id, double wanted, double got) {
    const double term = (got - wanted) * (got - wanted) / wanted;
    chi_square += term;
    freedom += 1;
    if (term > worst) {
      worst = term;
      worst_id = id;
    }
  };
  for (const auto& [id, p] : expected) {
    if (p * kDraws >= 5) {
      add_cell(id, p * kDraws, drawn[id]);
    } else {
      rare_expected += p * kDraws;
      rare_drawn += drawn[id];
    }
  }
  if (rare_expected >= 5) add_cell(-1, rare_expected, rare_drawn);
  for (const auto& [id, count] : drawn) {
    EXPECT_TRUE(expected.contains(id) || count == 0)
        << "id " << id << " drawn " << count << "times";
  }
  if (freedom > 0) {
    EXPECT_LT(chi_square, ChiSquareLimit(freedom))
        << "worst cell: id " << worst_id << ", " << worst;
  }
}

TEST(SamplerDistributionTest, EachParameterAloneDrawsAsDefined) {
  std::mt19937 bits(1);
  const std::vector<float> logits = NormalLogits(bits, 64, 2);
  const ReferenceHistory history = {{1, 2, 3, 3}, {3, 4, 4, 4, 60}};
  const SamplingParameters cases[] = {
      {},
      {.temperature = .5},
      {.temperature = 3},
      {.top_k = 5},
      {.top_p = .8},
      {.min_p = .1},
      {.typical_p = .7},
      {.repetition_penalty = 1.8},
      {.repetition_penalty = .7},
      {.presence_penalty = 1.5},
      {.presence_penalty = -1},
      {.frequency_penalty = .8},
      {.logit_bias = {{5, 3}, {6, -2}}},
      {.allowed_ids = {0, 7, 8, 30, 63}},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    SCOPED_TRACE("case " + std::to_string(i));
    ExpectDistribution(cases[i], history, logits);
  }
}

SamplingParameters RandomParameters(std::mt19937& bits, int vocab_size) {
  const auto unit = [&bits] { return static_cast<double>(bits()) / 4294967296.0; };
  const auto half = [&bits] { return bits() % 2 == 0; };
  SamplingParameters parameters;
  if (half()) parameters.temperature = .3 + 2 * unit();
  if (half()) parameters.top_k = static_cast<int>(unit() * vocab_size);
  if (half()) parameters.top_p = .05 + .94 * unit();
  if (half()) parameters.min_p = .3 * unit();
  if (half()) parameters.typical_p = .05 + .94 * unit();
  if (half()) parameters.repetition_penalty = .5 + 2 * unit();
  if (half()) parameters.presence_penalty = 4 * unit() - 2;
  if (half()) parameters.frequency_penalty = 2 * unit() - 1;
  for (int32_t id = 0; id < vocab_size; ++id) {
    if (unit() < .1) parameters.logit_bias[id] = static_cast<float>(4 * unit() - 2);
  }
  if (half()) {
    for (int32_t id = 0; id < vocab_size; ++id) {
      if (unit() < .7) parameters.allowed_ids.push_back(id);
    }
  }
  return parameters;
}

ReferenceHistory RandomHistory(std::mt19937& bits, int vocab_size) {
  const auto token = [&] {
    return static_cast<int32_t>(bits() % static_cast<uint32_t>(vocab_size));
  };
  ReferenceHistory history;
  for (int i = 0; i < 6; ++i) history.prompt.push_back(token());
  for (int i = 0; i < 8; ++i) history.generated.push_back(token());
  return history;
}

TEST(SamplerDistributionTest, CombinedParametersDrawAsDefined) {
  std::mt19937 bits(2);
  for (int i = 0; i < 20; ++i) {
    SCOPED_TRACE("case " + std::to_string(i));
    const std::vector<float> logits = NormalLogits(bits, 50, 1.5);
    ExpectDistribution(RandomParameters(bits, 50), RandomHistory(bits, 50), logits);
  }
}

// The token whose interval of the reference's cumulative distribution holds the drawn number.
TEST(SamplerDistributionTest, EachDrawInvertsTheCumulativeDistribution) {
  std::mt19937 bits(3);
  int checked = 0;
  for (int i = 0; i < 2000; ++i) {
    const int vocab_size = 1 + static_cast<int>(bits() % 300);
    const std::vector<float> logits = NormalLogits(bits, vocab_size, 2);
    const SamplingParameters parameters = RandomParameters(bits, vocab_size);
    const ReferenceHistory history = RandomHistory(bits, vocab_size);
    const int32_t token = SamplerAfter(parameters, history, vocab_size).Sample(i, logits);

    const double u = static_cast<double>(DrawBits(kSeed, 3, i)) * 0x1p-64;
    const Distribution expected = ReferenceDistribution(parameters, history, logits);
    ASSERT_TRUE(expected.contains(token)) << "case " << i << " drew " << token;
    double before = 0;
    for (const auto& [id, p] : expected) before += id < token ? p : 0;
    ASSERT_LE(before - 1e-6, u) << "case " << i << " drew " << token;
    ASSERT_GE(before + expected.at(token) + 1e-6, u) << "case " << i << " drew " << token;
    ++checked;
  }
  EXPECT_EQ(checked, 2000);
}

TEST(SamplerDistributionTest, TemperatureZeroIsTheReferencesLargest) {
  std::mt19937 bits(4);
  for (int i = 0; i < 300; ++i) {
    SamplingParameters parameters = RandomParameters(bits, 40);
    parameters.temperature = 0;
    const ReferenceHistory history = RandomHistory(bits, 40);
    const std::vector<float> logits = NormalLogits(bits, 40, 2);
    const std::map<int32_t, double> adjusted = AdjustedLogits(parameters, history, logits);
    const auto largest =
        std::max_element(adjusted.begin(), adjusted.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    ASSERT_EQ(SamplerAfter(parameters, history, 40).Sample(i, logits), largest->first)
        << "case " << i;
  }
}

}  // namespace
}  // namespace strided
