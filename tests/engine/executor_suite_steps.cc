// What a step of an executor refuses and reports.

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "tests/engine/executor_suite.h"
#include "tests/testing/config_text.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST_P(ExecutorSuite, RefusesBadPlansAndDoesNothing) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model, {.max_rows = 4});
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(3)));
  ASSERT_OK_AND_ASSIGN(const Slot other, executor->StartSequence(SpecOf(3)));
  const StepRow start = Row(slot, 0, kStartInput);
  const auto refuses = [&](std::vector<StepRow> rows, const std::string& text) {
    EXPECT_THAT(executor->Run({std::move(rows)}), StatusIs(kInvalid, HasSubstr(text)));
  };
  StepRow elsewhere = start;
  elsewhere.slot = 7;
  const int most = executor->info().max_steps;
  StepRow long_draw = Row(slot, 0, kStartInput, RowOutput::kSample);
  long_draw.steps = most + 1;
  refuses({}, "a plan has 1 to 4 rows, not 0");
  refuses(std::vector<StepRow>(5, start), "a plan has 1 to 4 rows, not 5");
  refuses({elsewhere}, "plan row 0: slot 7 is not in use");
  refuses({Row(slot, 1, 2)}, "plan row 0: slot 0 is at position 0, not 1");
  refuses({start, Row(slot, 2, 2)}, "plan row 1: slot 0 is at position 1, not 2");
  refuses({Row(slot, 0, 2)}, "position 0 takes the start input");
  refuses({start, Row(slot, 1, kStartInput)}, "input -1 is not a token");
  refuses({start, Row(slot, 1, 16)}, "plan row 1: input 16 is not a token; the vocabulary has 16");
  refuses({Score(slot, 0, kStartInput, 16)}, "plan row 0: target 16 is not a token");
  refuses({start, Row(other, 0, kStartInput), Row(slot, 1, 2)}, "do not stand together");
  refuses({long_draw}, absl::StrCat("steps is ", most + 1, "; it must be 1 to ", most));
  refuses({start, Row(slot, 1, 2), Row(slot, 2, 2), Row(slot, 3, 2)},
          "plan row 3: slot 0 was started for 3 steps");
  EXPECT_OK(executor->Run({{start, Row(slot, 1, 2)}})) << "nothing had been run before";
}

TEST_P(ExecutorSuite, ReportsTheMostLikelyAlternativesEachSequenceAskedFor) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  std::vector<Slot> slots;
  // Each asks for more than any before it, and moves where alternatives are kept.
  for (const int top_logprobs : {0, 1, 3, 16}) {
    SequenceSpec spec = SpecOf(4);
    spec.top_logprobs = top_logprobs;
    ASSERT_OK_AND_ASSIGN(Slot slot, executor->StartSequence(spec));
    slots.push_back(std::move(slot));
    StepPlan plan;
    for (const Slot& each : slots) {
      const int position = static_cast<int>(slots.size()) - 1 - each.index();
      plan.rows.push_back(Row(each, position, position == 0 ? kStartInput : 2, RowOutput::kSample));
    }
    ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run(plan));
    const TokenResult& result = results.back();
    ASSERT_EQ(result.top_ids.size(), static_cast<size_t>(top_logprobs));
    EXPECT_TRUE(std::ranges::is_sorted(result.top_values, std::ranges::greater()));
    if (top_logprobs > 0) {
      EXPECT_GE(result.top_values[0], result.log_prob);
    }
    EXPECT_TRUE(results.front().top_ids.empty());
  }
}

TEST_P(ExecutorSuite, AlternativesDoNotChangeADraw) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(4);
  ASSERT_OK_AND_ASSIGN(const Slot none, executor->StartSequence(spec));
  spec.top_logprobs = 3;
  ASSERT_OK_AND_ASSIGN(const Slot three, executor->StartSequence(spec));
  EXPECT_EQ(Sample(*executor, none, 0, kStartInput, 4),
            Sample(*executor, three, 0, kStartInput, 4));
}

TEST_P(ExecutorSuite, ARowWithoutOutputReportsNoToken) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(4, 1);
  spec.top_logprobs = 2;
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(spec));
  for (const int position : {0, 1}) {  // a prompt's, and a step's
    const int32_t input = position == 0 ? kStartInput : 3;
    ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run({{Row(slot, position, input)}}));
    EXPECT_EQ(results[0].token, -1);
  }
}

// Random weights with each of `changed` in place of the tensor of its name.
Weights ChangedWeights(const ModelConfig& config, const TemporaryDirectory& directory,
                       const std::vector<StoredTensor>& changed) {
  std::vector<StoredTensor> tensors = RandomTensors(config, 5);
  for (StoredTensor& tensor : tensors) {
    const auto other = std::ranges::find(changed, tensor.name, &StoredTensor::name);
    if (other != changed.end()) tensor = *other;
  }
  directory.Write("model.safetensors", SafetensorsFile(tensors));
  absl::StatusOr<Weights> weights = Weights::Load(directory.path(), config);
  EXPECT_OK(weights);
  return *std::move(weights);
}

// A model whose embedding of token 1 is so large that norms and products overflow.
TEST_P(ExecutorSuite, LogitsThatAreNotFiniteAreFlaggedAndStayInTheirSequence) {
  const ModelConfig config = SmallConfig(R"({"attention": [{"pattern": "dense"}]})");
  const auto width = static_cast<size_t>(config.d_model);
  std::vector<float> values(static_cast<size_t>(config.vocab_size) * width, 0.5F);
  for (size_t i = 0; i < width; ++i) values[width + i] = i % 2 == 0 ? 3e38F : 2e38F;
  const TemporaryDirectory directory;
  const Weights weights =
      ChangedWeights(config, directory,
                     {StoreValues("token_embedding.weight", DType::kFloat32,
                                  {config.vocab_size, config.d_model}, values)});
  for (const WeightFormat format : GetParam().formats) {
    const auto executor = Start(config, weights, {.weight_format = format});
    for (const int prompt_length : {0, 3}) {
      ASSERT_OK_AND_ASSIGN(const Slot bad, executor->StartSequence(SpecOf(3, prompt_length)));
      ASSERT_OK_AND_ASSIGN(const Slot good, executor->StartSequence(SpecOf(3, prompt_length)));
      const StepPlan plan{{Row(bad, 0, kStartInput), Row(bad, 1, 1),
                           Row(bad, 2, 2, RowOutput::kSample), Row(good, 0, kStartInput),
                           Row(good, 1, 2, RowOutput::kSample)}};
      ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run(plan));
      EXPECT_FALSE(results[2].finite) << executor->info().numerics << ", prompt " << prompt_length;
      EXPECT_TRUE(results[4].finite) << executor->info().numerics << ", prompt " << prompt_length;
    }
    // The next in the bad one's place does not see what it left.
    ASSERT_OK_AND_ASSIGN(const Slot next, executor->StartSequence(SpecOf(3)));
    for (const Draw& draw : Sample(*executor, next, 0, kStartInput, 1)) EXPECT_NE(draw.first, -1);
  }
}

// No activation may turn what is no number into one: the request would go on with wrong tokens. The
// norm before the MLP overflows to infinity, which times the zeros of mlp.up is NaN; but for these
// the residual stream is finite.
TEST_P(ExecutorSuite, WhatIsNoNumberInTheMlpReachesTheLogits) {
  for (const char* activation : {"quick_gelu", "gelu", "gelu_tanh", "relu"}) {
    const ModelConfig config = SmallConfig(absl::StrCat(
        R"({"attention": [{"pattern": "dense"}], "activation": ")", activation, R"("})"));
    const std::vector<float> largest(static_cast<size_t>(config.d_model),
                                     std::numeric_limits<float>::max());
    const std::vector<float> zeros(static_cast<size_t>(config.d_ff) * largest.size());
    const TemporaryDirectory directory;
    const Weights weights = ChangedWeights(
        config, directory,
        {StoreValues("layers.1.mlp_norm.weight", DType::kFloat32, {config.d_model}, largest),
         StoreValues("layers.1.mlp.up.weight", DType::kFloat32, {config.d_ff, config.d_model},
                     zeros)});
    for (const WeightFormat format : GetParam().formats) {
      const auto executor = Start(config, weights, {.weight_format = format});
      for (const int prompt_length : {0, 2}) {
        ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(3, prompt_length)));
        const StepPlan plan{{Row(slot, 0, kStartInput), Row(slot, 1, 2, RowOutput::kSample)}};
        ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run(plan));
        EXPECT_FALSE(results[1].finite)
            << activation << ", " << executor->info().numerics << ", prompt " << prompt_length;
      }
    }
  }
}

}  // namespace
}  // namespace strided
