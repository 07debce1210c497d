#include "tests/engine/checkpoint/hugging_face_expectation.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/testing/golden.h"
#include "tests/testing/sequence_runner.h"

namespace strided {
namespace {

// What expected.json says.
struct Expected {
  int32_t first = 0;      // what step 0 reads before the scored tokens
  GoldenSequence scored;  // log_probs[t] predicts tokens[t]
  std::vector<int32_t> prompt;
  std::vector<int32_t> continuation;  // by the largest logit
};

Expected ReadExpected(const std::string& directory) {
  const nlohmann::json json = nlohmann::json::parse(std::ifstream(directory + "/expected.json"));
  Expected expected;
  expected.first = json.at("first").get<int32_t>();
  expected.scored.tokens = json.at("tokens").get<std::vector<int32_t>>();
  expected.scored.log_probs = json.at("log_probs").get<std::vector<std::vector<double>>>();
  expected.prompt = json.at("prompt").get<std::vector<int32_t>>();
  expected.continuation = json.at("continuation").get<std::vector<int32_t>>();
  return expected;
}

// Draws by the largest logit after `inputs`, what steps 0, 1, ... read.
std::vector<int32_t> Continue(Executor& executor, const std::vector<int32_t>& inputs, int count) {
  SequenceSpec spec;
  spec.max_length = static_cast<int>(inputs.size()) + count - 1;
  spec.sampling.temperature = 0;
  absl::StatusOr<Slot> slot = executor.StartSequence(spec);
  EXPECT_TRUE(slot.ok()) << slot.status();
  std::vector<int32_t> drawn;
  for (int t = 0; t < spec.max_length; ++t) {
    const auto at = static_cast<size_t>(t);
    StepRow row{.slot = slot->index(), .position = t};
    row.input = at < inputs.size() ? inputs[at] : drawn.back();
    if (at + 1 >= inputs.size()) row.output = RowOutput::kSample;
    const absl::StatusOr<StepResult> result = executor.Run({{row}});
    EXPECT_TRUE(result.ok()) << result.status();
    if (row.output == RowOutput::kSample) drawn.push_back(result->front().token);
  }
  return drawn;
}

}  // namespace

void ExpectWhatTransformersSaid(const std::string& directory, Executor& executor, double tolerance,
                                int prompt_length) {
  const Expected expected = ReadExpected(directory);
  const bool starts = executor.config().has_start_vector;
  const int32_t first = starts ? kStartInput : expected.first;
  ExpectClose(AllLogProbs(executor, expected.scored.tokens, {}, {7, 20}, prompt_length, first),
              expected.scored, tolerance);
  std::vector<int32_t> inputs = expected.prompt;
  if (starts) inputs.insert(inputs.begin(), kStartInput);
  const auto count = static_cast<int>(expected.continuation.size());
  EXPECT_EQ(count, 256);
  EXPECT_EQ(Continue(executor, inputs, count), expected.continuation);
}

}  // namespace strided
