#include "tests/engine/executor_suite.h"

#include <algorithm>
#include <bit>

#include "tests/testing/config_text.h"
#include "tests/testing/status_matchers.h"

namespace strided {

// A device's program that forgets to instantiate the suite fails by gtest's own check.

std::unique_ptr<Executor> ExecutorSuite::Start(const ModelConfig& config, const Weights& weights,
                                               const SuiteOptions& options) const {
  absl::StatusOr<std::unique_ptr<Executor>> executor = GetParam().create(config, weights, options);
  EXPECT_OK(executor);
  return *std::move(executor);
}

RandomModel SequenceSuite::Model() { return SmallModel(GetParam().small_model); }

RandomModel SmallModel(absl::string_view overrides) {
  return MakeRandomModel(SmallConfig(overrides), /*seed=*/3);
}

RandomModel LongModel() {
  return SmallModel(R"({"context_length": 640, "position_axes": [640], "n_layer": 1, "d_key": 16,
                        "d_value": 16, "attention": [{"pattern": "dense"}]})");
}

SequenceSpec SpecOf(int max_length, int prompt_length) {
  SequenceSpec spec;
  spec.max_length = max_length;
  spec.prompt_length = prompt_length;
  return spec;
}

StepRow Row(const Slot& slot, int position, int32_t input, RowOutput output) {
  return {.slot = slot.index(), .position = position, .input = input, .output = output};
}

StepRow Score(const Slot& slot, int position, int32_t input, int32_t target) {
  StepRow row = Row(slot, position, input, RowOutput::kScore);
  row.target = target;
  return row;
}

Draw DrawOf(const TokenResult& result) {
  EXPECT_TRUE(result.finite);
  return {result.token, std::bit_cast<uint32_t>(result.log_prob)};
}

std::vector<Draw> Sample(Executor& executor, const Slot& slot, int position, int32_t input,
                         int count, int steps) {
  const int most = std::min(steps, executor.info().max_steps);
  std::vector<Draw> draws;
  for (int done = 0; done < count;) {
    StepRow row = Row(slot, position + done, input, RowOutput::kSample);
    row.steps = std::min(most, count - done);
    const absl::StatusOr<StepResult> results = executor.Run({{row}});
    EXPECT_OK(results);
    for (const TokenResult& result : *results) draws.push_back(DrawOf(result));
    done += row.steps;
    input = draws.back().first;
  }
  return draws;
}

Slot Prefilled(Executor& executor, const SequenceSpec& spec) {
  absl::StatusOr<Slot> slot = executor.StartSequence(spec);
  EXPECT_OK(slot);
  StepPlan plan;
  for (int t = 0; t < spec.prompt_length; ++t) {
    plan.rows.push_back(Row(*slot, t, t == 0 ? kStartInput : t));
  }
  EXPECT_OK(executor.Run(plan));
  return *std::move(slot);
}

}  // namespace strided
