// Runs sequences through an executor of any device in tests, in pieces of any size.

#ifndef STRIDED_TESTS_TESTING_SEQUENCE_RUNNER_H_
#define STRIDED_TESTS_TESTING_SEQUENCE_RUNNER_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/executor.h"
#include "engine/model/config.h"
#include "engine/model/weights.h"
#include "engine/sequence_check.h"

namespace strided {

struct LoadedModel {
  ModelConfig config;
  Weights weights;
};

inline LoadedModel LoadModel(const std::string& directory) {
  absl::StatusOr<ModelConfig> config = ModelConfig::Load(directory + "/config.json");
  EXPECT_TRUE(config.ok()) << config.status();
  absl::StatusOr<Weights> weights = Weights::Load(directory, *config);
  EXPECT_TRUE(weights.ok()) << weights.status();
  return {*std::move(config), *std::move(weights)};
}

// The row of step `position` of a sequence whose tokens are known, scoring the next.
inline StepRow ScoreRow(const Slot& slot, int position, std::span<const int32_t> tokens) {
  StepRow row;
  row.slot = slot.index();
  row.position = position;
  row.input = position == 0 ? kStartInput : tokens[static_cast<size_t>(position - 1)];
  row.output = RowOutput::kScore;
  row.target = tokens[static_cast<size_t>(position)];
  return row;
}

// [position][token]: the log-probabilities of every token, as the steps report them, when the
// sequence is run in pieces that end before each of `cuts` (ascending) and at its end. Its first
// `prompt_length` tokens are a prompt. Step 0 reads `first`, or FirstInput.
inline std::vector<std::vector<float>> AllLogProbs(Executor& executor,
                                                   std::span<const int32_t> tokens,
                                                   const std::vector<int>& condition_values,
                                                   std::vector<int> cuts, int prompt_length = 0,
                                                   std::optional<int32_t> first = std::nullopt) {
  const int vocab_size = executor.config().vocab_size;
  SequenceSpec spec;
  spec.max_length = static_cast<int>(tokens.size());
  spec.condition_values = condition_values;
  spec.prompt_length = prompt_length;
  spec.top_logprobs = vocab_size;
  absl::StatusOr<Slot> slot = executor.StartSequence(spec);
  EXPECT_TRUE(slot.ok()) << slot.status();
  cuts.push_back(spec.max_length);
  std::vector<std::vector<float>> all;
  int position = 0;
  for (const int cut : cuts) {
    StepPlan plan;
    for (; position < cut; ++position) {
      plan.rows.push_back(ScoreRow(*slot, position, tokens));
      if (position == 0) {
        plan.rows.back().input = first.value_or(FirstInput(executor.config()));
      }
    }
    if (plan.rows.empty()) continue;
    const absl::StatusOr<StepResult> results = executor.Run(plan);
    EXPECT_TRUE(results.ok()) << results.status();
    for (const TokenResult& result : *results) {
      EXPECT_TRUE(result.finite);
      std::vector<float> row(static_cast<size_t>(vocab_size));
      for (size_t i = 0; i < result.top_ids.size(); ++i) {
        row[static_cast<size_t>(result.top_ids[i])] = result.top_values[i];
      }
      EXPECT_EQ(row[static_cast<size_t>(result.token)], result.log_prob);
      all.push_back(std::move(row));
    }
  }
  return all;
}

// The bits of each value, for comparisons that a NaN or a zero's sign must not pass.
inline std::vector<std::vector<uint32_t>> BitsOf(const std::vector<std::vector<float>>& rows) {
  std::vector<std::vector<uint32_t>> bits;
  for (const auto& row : rows) {
    bits.emplace_back();
    for (const float value : row) bits.back().push_back(std::bit_cast<uint32_t>(value));
  }
  return bits;
}

// Cuts after every `piece` positions.
inline std::vector<int> CutsOfSize(int length, int piece) {
  std::vector<int> cuts;
  for (int cut = piece; cut < length; cut += std::max(piece, 1)) cuts.push_back(cut);
  return cuts;
}

}  // namespace strided

#endif  // STRIDED_TESTS_TESTING_SEQUENCE_RUNNER_H_
