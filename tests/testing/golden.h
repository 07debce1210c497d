// The oracle's models and log-probabilities (tests/golden), for the executor of any device.

#ifndef STRIDED_TESTS_TESTING_GOLDEN_H_
#define STRIDED_TESTS_TESTING_GOLDEN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/config.h"

namespace strided {

struct GoldenSequence {
  std::vector<int32_t> tokens;
  std::vector<int> condition_values;
  std::vector<std::vector<double>> log_probs;  // [position][token]
};

// The names of the folders of tests/golden that hold a model with golden.json, sorted.
std::vector<std::string> GoldenCases();

// The sequences of `directory`/golden.json.
std::vector<GoldenSequence> LoadGolden(const std::string& directory);

// Fails with the worst element where some differ by more than `tolerance`.
void ExpectClose(const std::vector<std::vector<float>>& actual, const GoldenSequence& golden,
                 double tolerance);

// The bits that a token of the sequence takes on average.
double BitsPerToken(const GoldenSequence& golden, const std::vector<std::vector<float>>& log_probs);

// Lists of cuts, as AllLogProbs takes them: one piece; pieces of 1, l - 1, l and l + 1 for every
// stride or window; random pieces.
std::vector<std::vector<int>> WaysToCut(const ModelConfig& config, int length);

}  // namespace strided

#endif  // STRIDED_TESTS_TESTING_GOLDEN_H_
