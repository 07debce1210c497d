#include "tests/testing/golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "tests/testing/sequence_runner.h"

namespace strided {

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

double BitsPerToken(const GoldenSequence& golden,
                    const std::vector<std::vector<float>>& log_probs) {
  double sum = 0;
  for (size_t t = 0; t < golden.tokens.size(); ++t) {
    sum -= log_probs[t][static_cast<size_t>(golden.tokens[t])];
  }
  return sum / std::log(2.0) / static_cast<double>(golden.tokens.size());
}

}  // namespace strided
