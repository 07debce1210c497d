// The CPU executor against the NumPy oracle (tests/golden), for every pattern and option.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "tests/engine/cpu/sequence_runner.h"

namespace strided {
namespace {

struct GoldenSequence {
  std::vector<int32_t> tokens;
  std::vector<int> condition_values;
  std::vector<std::vector<double>> log_probs;  // [position][token]
};

std::vector<GoldenSequence> LoadGolden(const std::string& directory) {
  std::vector<GoldenSequence> sequences;
  const nlohmann::json golden = nlohmann::json::parse(std::ifstream(directory + "/golden.json"));
  for (const auto& sequence : golden.at("sequences")) {
    sequences.push_back({sequence.at("tokens").get<std::vector<int32_t>>(),
                         sequence.value("condition_values", std::vector<int>()),
                         sequence.at("log_probs").get<std::vector<std::vector<double>>>()});
  }
  return sequences;
}

std::vector<std::string> GoldenCases() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("tests/golden")) {
    if (std::filesystem::exists(entry.path() / "golden.json")) {
      names.push_back(entry.path().filename());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Fails with the worst element where some differ by more than `tolerance`.
void ExpectClose(const std::vector<std::vector<float>>& actual, const GoldenSequence& golden,
                 double tolerance) {
  ASSERT_EQ(actual.size(), golden.log_probs.size());
  double worst = -1;
  size_t worst_position = 0;
  size_t worst_token = 0;
  for (size_t t = 0; t < actual.size(); ++t) {
    ASSERT_EQ(actual[t].size(), golden.log_probs[t].size());
    for (size_t token = 0; token < actual[t].size(); ++token) {
      const double difference = std::abs(actual[t][token] - golden.log_probs[t][token]);
      if (difference > worst || std::isnan(difference)) {
        worst = difference;
        worst_position = t;
        worst_token = token;
      }
    }
  }
  EXPECT_LE(worst, tolerance) << "worst at position " << worst_position << ", token " << worst_token
                              << ": " << actual[worst_position][worst_token] << " instead of "
                              << golden.log_probs[worst_position][worst_token];
}

// One piece; pieces of 1, l - 1, l and l + 1 for every stride or window; random pieces.
std::vector<std::vector<int>> WaysToCut(const ModelConfig& config, int length) {
  std::set<int> sizes = {1};
  for (const auto& layer : config.attention) {
    for (const AttentionPattern& head : layer) {
      const int period = std::max(head.spec().stride, head.spec().window);
      for (int size = period - 1; size <= period + 1; ++size) {
        if (size > 0 && size < length) sizes.insert(size);
      }
    }
  }
  std::vector<std::vector<int>> ways = {{}};
  for (const int size : sizes) ways.push_back(CutsOfSize(length, size));
  std::mt19937 random(7);
  for (int way = 0; way < 3; ++way) {
    ways.emplace_back();
    for (int cut = 1; cut < length; ++cut) {
      if (random() % 4 == 0) ways.back().push_back(cut);
    }
  }
  return ways;
}

class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  std::string directory() const { return "tests/golden/" + GetParam(); }
};

TEST_P(GoldenTest, Float32AgreesWithTheOracleOnEveryInstructionSet) {
  const LoadedModel model = LoadModel(directory());
  for (const std::string& set : InstructionSets()) {
    SCOPED_TRACE(set);
    CpuOptions options;
    options.instruction_set = set;
    options.threads = 2;
    const std::unique_ptr<Executor> executor = MakeExecutor(model, options);
    for (const GoldenSequence& golden : LoadGolden(directory())) {
      ExpectClose(AllLogProbs(*executor, golden.tokens, golden.condition_values, {}), golden, 1e-4);
    }
  }
}

// The bits that a token of the sequence takes on average.
double BitsPerToken(const GoldenSequence& golden,
                    const std::vector<std::vector<float>>& log_probs) {
  double sum = 0;
  for (size_t t = 0; t < golden.tokens.size(); ++t) {
    sum -= log_probs[t][static_cast<size_t>(golden.tokens[t])];
  }
  return sum / std::log(2.0) / static_cast<double>(golden.tokens.size());
}

TEST_P(GoldenTest, NarrowWeightsCostFewBitsPerToken) {
  const LoadedModel model = LoadModel(directory());
  const std::unique_ptr<Executor> exact = MakeExecutor(model, {});
  for (const std::string& set : {InstructionSets().front(), InstructionSets().back()}) {
    for (const WeightFormat format : {WeightFormat::kBfloat16, WeightFormat::kInt8}) {
      CpuOptions options;
      options.weight_format = format;
      options.instruction_set = set;
      const std::unique_ptr<Executor> executor = MakeExecutor(model, options);
      for (const GoldenSequence& golden : LoadGolden(directory())) {
        const auto bits = [&](Executor& which) {
          return BitsPerToken(golden,
                              AllLogProbs(which, golden.tokens, golden.condition_values, {}));
        };
        const double share = bits(*executor) / bits(*exact) - 1;
        EXPECT_LE(std::abs(share), format == WeightFormat::kInt8 ? 0.01 : 0.005)
            << executor->info().numerics;
      }
    }
  }
}

TEST_P(GoldenTest, PiecesOfAnySizeGiveTheSameBits) {
  const LoadedModel model = LoadModel(directory());
  for (const WeightFormat format :
       {WeightFormat::kFloat32, WeightFormat::kBfloat16, WeightFormat::kInt8}) {
    CpuOptions options;
    options.weight_format = format;
    options.threads = 2;
    const std::unique_ptr<Executor> executor = MakeExecutor(model, options);
    SCOPED_TRACE(executor->info().numerics);
    for (const GoldenSequence& golden : LoadGolden(directory())) {
      const auto whole = BitsOf(AllLogProbs(*executor, golden.tokens, golden.condition_values, {}));
      for (const auto& cuts : WaysToCut(model.config, static_cast<int>(golden.tokens.size()))) {
        const auto pieces = AllLogProbs(*executor, golden.tokens, golden.condition_values, cuts);
        EXPECT_EQ(BitsOf(pieces), whole) << "cut into " << cuts.size() + 1 << " pieces";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenTest, testing::ValuesIn(GoldenCases()),
                         [](const auto& model) { return model.param; });

}  // namespace
}  // namespace strided
