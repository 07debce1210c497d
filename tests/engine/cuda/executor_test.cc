#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cache/cache_bytes.h"
#include "engine/cuda/cache_arena.h"
#include "tests/engine/cuda/cuda_runner.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/status_matchers.h"

namespace strided::cuda {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;

// CUDA gives small allocations of one process a common page, and keeps it.
constexpr int64_t kPages = int64_t{16} << 20;

using Draw = std::pair<int32_t, uint32_t>;  // token, bits of its log-probability

// SmallConfig: context 24, vocabulary 16.
RandomModel SmallModel(absl::string_view overrides = "{}") {
  return MakeRandomModel(SmallConfig(overrides), /*seed=*/3);
}

// A sequence of N steps takes 128 N bytes in bfloat16; 2 N are a whole number of the arena's units.
RandomModel LongModel() {
  return SmallModel(R"({"context_length": 640, "position_axes": [640], "n_layer": 1, "d_key": 16,
                        "d_value": 16, "attention": [{"pattern": "dense"}]})");
}

std::unique_ptr<CudaExecutor> Start(const RandomModel& model,
                                    WeightFormat format = WeightFormat::kBfloat16) {
  return MakeCudaExecutor(model.config, model.weights, TestOptions(format));
}

SequenceSpec SpecOf(int max_length, int prompt_length = 0) {
  SequenceSpec spec;
  spec.max_length = max_length;
  spec.prompt_length = prompt_length;
  return spec;
}

StepRow Row(const Slot& slot, int position, int32_t input, RowOutput output = RowOutput::kNone) {
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

// Draws `count` tokens from `position` on, `steps` to a call.
std::vector<Draw> Sample(Executor& executor, const Slot& slot, int position, int32_t input,
                         int count, int steps = 1) {
  std::vector<Draw> draws;
  for (int done = 0; done < count;) {
    StepRow row = Row(slot, position + done, input, RowOutput::kSample);
    row.steps = std::min(steps, count - done);
    const absl::StatusOr<StepResult> results = executor.Run({{row}});
    EXPECT_OK(results);
    for (const TokenResult& result : *results) draws.push_back(DrawOf(result));
    done += row.steps;
    input = draws.back().first;
  }
  return draws;
}

// The prompt start, 1, 2, ...: `length` rows without results; the next input is token `length`.
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

using CudaExecutorTest = CudaTest;

TEST_F(CudaExecutorTest, SaysWhatItsBitsDependOn) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model, WeightFormat::kInt8);
  EXPECT_EQ(executor->info().device, "cuda:0");
  EXPECT_EQ(executor->info().weight_format, "int8");
  EXPECT_THAT(executor->info().numerics, StartsWith("cuda-"));
  EXPECT_THAT(executor->info().numerics, HasSubstr("weights=int8"));
  EXPECT_EQ(executor->info().parameter_count, model.weights.parameter_count());
}

TEST_F(CudaExecutorTest, TheCacheOfASlotIsCountedExactlyAndGivenBack) {
  const RandomModel model = SmallModel();
  for (const WeightFormat format : {WeightFormat::kFloat32, WeightFormat::kFloat16,
                                    WeightFormat::kBfloat16, WeightFormat::kFloat8}) {
    const auto executor = Start(model, format);
    const int element_bytes = format == WeightFormat::kFloat32 ? 4 : 2;
    const int64_t expected = SequenceCacheBytes(model.config, 17, element_bytes);
    EXPECT_EQ(executor->CacheBytes(17), expected);
    {
      ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(17)));
      ASSERT_OK_AND_ASSIGN(const Slot other, executor->StartSequence(SpecOf(24)));
      EXPECT_EQ(executor->cache_usage().used_bytes, expected + executor->CacheBytes(24));
      EXPECT_EQ(executor->cache_usage().slots_in_use, 2);
    }
    EXPECT_EQ(executor->cache_usage().used_bytes, 0);
    EXPECT_EQ(executor->cache_usage().slots_in_use, 0);
  }
}

TEST_F(CudaExecutorTest, RefusesWhatDoesNotFitNowWithTheNumbers) {
  const RandomModel model = LongModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.cache_capacity_bytes = 640 * 128;
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(640)));
  EXPECT_THAT(
      executor->StartSequence(SpecOf(2)),
      StatusIs(kExhausted, "the sequence takes 256 cache bytes; of 81920, 81920 are in use"));
  EXPECT_THAT(executor->ForkSequence(slot, SpecOf(640)), StatusIs(kExhausted));
}

TEST_F(CudaExecutorTest, RefusesForGoodWhatCanNeverFit) {
  const RandomModel model = LongModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.cache_capacity_bytes = 1024;
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  EXPECT_THAT(
      executor->StartSequence(SpecOf(10)),
      StatusIs(kInvalid, "the sequence takes 1280 cache bytes; the device has 1024 in all"));
}

// Or a request that nothing stands in the way of would wait forever.
TEST_F(CudaExecutorTest, ASequenceThatTakesTheWholeCapacityFits) {
  const RandomModel model = LongModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.cache_capacity_bytes = 9 * 128;  // no whole number of the arena's units
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  EXPECT_OK(executor->StartSequence(SpecOf(9)));
}

TEST_F(CudaExecutorTest, FreePartsThatAreNotNeighboursAreNoRoomUntilTheyAre) {
  const RandomModel model = LongModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.cache_capacity_bytes = 3 * 100 * 128;
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  std::vector<Slot> slots;
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(Slot slot, executor->StartSequence(SpecOf(100)));
    slots.push_back(std::move(slot));
  }
  slots.erase(slots.begin());
  slots.pop_back();
  EXPECT_THAT(
      executor->StartSequence(SpecOf(200)),
      StatusIs(kExhausted, HasSubstr("the sequence takes 25600 cache bytes; no free part")));
  EXPECT_OK(executor->StartSequence(SpecOf(100)));
  EXPECT_EQ(executor->cache_usage().slots_in_use, 1) << "a refused sequence takes nothing";
  slots.clear();
  EXPECT_OK(executor->StartSequence(SpecOf(300)));
}

TEST_F(CudaExecutorTest, SlotsAreBoundedAndUsedAgain) {
  const RandomModel model = SmallModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.max_slots = 2;
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  ASSERT_OK_AND_ASSIGN(const Slot first, executor->StartSequence(SpecOf(4)));
  EXPECT_EQ(first.index(), 0);
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const Slot second, executor->StartSequence(SpecOf(4)));
    EXPECT_EQ(second.index(), 1);
    EXPECT_THAT(executor->StartSequence(SpecOf(4)), StatusIs(kExhausted, "all 2 slots are in use"));
  }
}

TEST_F(CudaExecutorTest, ASlotThatIsUsedAgainRemembersNothing) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(24);
  spec.sampling.frequency_penalty = 2;
  std::vector<Draw> first;
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(spec));
    const std::vector<Draw> draws = Sample(*executor, slot, 0, kStartInput, 24);
    if (i == 0) first = draws;
    EXPECT_EQ(draws, first);
  }
}

TEST_F(CudaExecutorTest, RefusesSpecsThatDoNotFitTheModel) {
  const RandomModel model = SmallModel(R"({"conditions": [{"name": "class", "values": 3}]})");
  const auto executor = Start(model);
  const auto refuses = [&](auto change, const std::string& text) {
    SequenceSpec spec = SpecOf(24);
    spec.condition_values = {0};
    change(spec);
    EXPECT_THAT(executor->StartSequence(spec), StatusIs(kInvalid, HasSubstr(text)));
  };
  refuses([](SequenceSpec& s) { s.max_length = 25; }, "max_length is 25; it must be 1 to 24");
  refuses([](SequenceSpec& s) { s.top_logprobs = 17; }, "top_logprobs is 17; it must be 0 to 16");
  refuses([](SequenceSpec& s) { s.condition_values = {3}; }, "condition class is 3");
  refuses([](SequenceSpec& s) { s.sampling.top_p = 2; }, "top_p");
  EXPECT_EQ(executor->cache_usage().slots_in_use, 0);
}

TEST_F(CudaExecutorTest, RefusesBadPlansAndDoesNothing) {
  const RandomModel model = SmallModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.max_rows = 4;
  options.max_steps = 2;
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(3)));
  const StepRow start = Row(slot, 0, kStartInput);
  const auto refuses = [&](std::vector<StepRow> rows, const std::string& text) {
    EXPECT_THAT(executor->Run({std::move(rows)}), StatusIs(kInvalid, HasSubstr(text)));
  };
  StepRow elsewhere = start;
  elsewhere.slot = 7;
  StepRow long_draw = Row(slot, 0, kStartInput, RowOutput::kSample);
  long_draw.steps = 3;
  refuses({}, "a plan has 1 to 4 rows, not 0");
  refuses(std::vector<StepRow>(5, start), "a plan has 1 to 4 rows, not 5");
  refuses({elsewhere}, "plan row 0: slot 7 is not in use");
  refuses({start, Row(slot, 2, 2)}, "plan row 1: slot 0 is at position 1, not 2");
  refuses({start, Row(slot, 1, 16)}, "plan row 1: input 16 is not a token; the vocabulary has 16");
  refuses({Score(slot, 0, kStartInput, 16)}, "plan row 0: target 16 is not a token");
  refuses({long_draw}, "plan row 0: steps is 3; it must be 1 to 2");
  refuses({start, Row(slot, 1, 2), Row(slot, 2, 2), Row(slot, 3, 2)},
          "plan row 3: slot 0 was started for 3 steps");
  EXPECT_OK(executor->Run({{start, Row(slot, 1, 2)}})) << "nothing had been run before";
}

TEST_F(CudaExecutorTest, AForkContinuesAsItsParentWouldWithItsSeed) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(24, 6);
  spec.sampling.repetition_penalty = 1.5;
  spec.seed = 11;
  SequenceSpec other_spec = spec;
  other_spec.seed = 12;
  const Slot alone = Prefilled(*executor, other_spec);
  Slot parent = Prefilled(*executor, spec);
  ASSERT_OK_AND_ASSIGN(const Slot fork, executor->ForkSequence(parent, other_spec));
  const std::vector<Draw> of_parent = Sample(*executor, parent, 6, 6, 18);
  const std::vector<Draw> of_fork = Sample(*executor, fork, 6, 6, 18);
  EXPECT_EQ(of_fork, Sample(*executor, alone, 6, 6, 18));
  EXPECT_NE(of_fork, of_parent);
}

TEST_F(CudaExecutorTest, AForkOutlivesItsParent) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  const SequenceSpec spec = SpecOf(24, 6);
  const Slot alone = Prefilled(*executor, spec);
  absl::StatusOr<Slot> fork = absl::UnknownError("not yet");
  {
    const Slot parent = Prefilled(*executor, spec);
    fork = executor->ForkSequence(parent, spec);
  }
  ASSERT_OK(fork);
  const Slot next = Prefilled(*executor, SpecOf(24, 9));  // where the parent was
  EXPECT_EQ(Sample(*executor, *fork, 6, 6, 18), Sample(*executor, alone, 6, 6, 18));
}

TEST_F(CudaExecutorTest, AForkNeedsItsParentsShape) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  ASSERT_OK_AND_ASSIGN(const Slot parent, executor->StartSequence(SpecOf(8)));
  EXPECT_THAT(executor->ForkSequence(parent, SpecOf(9)),
              StatusIs(kInvalid, HasSubstr("max_length")));
}

// A sequence that was preempted: its tokens are run again as rows whose inputs are known.
TEST_F(CudaExecutorTest, AReplayAfterThePromptGivesTheBitsOfTheDraws) {
  const RandomModel model = SmallModel();
  for (const WeightFormat format : {WeightFormat::kFloat32, WeightFormat::kBfloat16}) {
    const auto executor = Start(model, format);
    SequenceSpec spec = SpecOf(24, 6);
    spec.sampling.frequency_penalty = 2;
    const Slot original = Prefilled(*executor, spec);
    const std::vector<Draw> draws = Sample(*executor, original, 6, 6, 18, 5);
    const Slot replay = Prefilled(*executor, spec);
    StepPlan plan;
    for (int t = 6; t < 16; ++t) {
      const int32_t input = t == 6 ? 6 : draws[static_cast<size_t>(t - 7)].first;
      plan.rows.push_back(Score(replay, t, input, draws[static_cast<size_t>(t - 6)].first));
    }
    ASSERT_OK_AND_ASSIGN(const StepResult scores, executor->Run(plan));
    for (size_t i = 0; i < scores.size(); ++i) EXPECT_EQ(DrawOf(scores[i]), draws[i]) << i;
    EXPECT_EQ(Sample(*executor, replay, 16, draws[9].first, 8),
              std::vector<Draw>(draws.begin() + 10, draws.end()));
  }
}

TEST_F(CudaExecutorTest, APieceThatSamplesAtEveryRowDrawsAsSingleStepsDo) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(24);
  spec.sampling.frequency_penalty = 2;
  ASSERT_OK_AND_ASSIGN(const Slot single, executor->StartSequence(spec));
  const std::vector<Draw> draws = Sample(*executor, single, 0, kStartInput, 24);
  ASSERT_OK_AND_ASSIGN(const Slot replay, executor->StartSequence(spec));
  StepPlan plan;
  for (int t = 0; t < 24; ++t) {
    const int32_t input = t == 0 ? kStartInput : draws[static_cast<size_t>(t - 1)].first;
    plan.rows.push_back(Row(replay, t, input, RowOutput::kSample));
  }
  ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run(plan));
  for (size_t t = 0; t < draws.size(); ++t) EXPECT_EQ(DrawOf(results[t]), draws[t]) << t;
}

TEST_F(CudaExecutorTest, ALongerLimitDoesNotChangeTheBits) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  for (const int prompt_length : {1, 5}) {
    const Slot shorter = Prefilled(*executor, SpecOf(13, prompt_length));
    const Slot longer = Prefilled(*executor, SpecOf(24, prompt_length));
    EXPECT_EQ(Sample(*executor, shorter, prompt_length, prompt_length, 8),
              Sample(*executor, longer, prompt_length, prompt_length, 8));
  }
}

TEST_F(CudaExecutorTest, StepsOfARowGiveOneResultEachInThePlansOrder) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(24);
  spec.top_logprobs = 2;
  ASSERT_OK_AND_ASSIGN(const Slot alone, executor->StartSequence(spec));
  const std::vector<Draw> draws = Sample(*executor, alone, 0, kStartInput, 7);
  ASSERT_OK_AND_ASSIGN(const Slot many, executor->StartSequence(spec));
  ASSERT_OK_AND_ASSIGN(const Slot few, executor->StartSequence(spec));
  ASSERT_OK_AND_ASSIGN(const Slot scored, executor->StartSequence(SpecOf(24)));
  ASSERT_OK_AND_ASSIGN(const Slot filled, executor->StartSequence(SpecOf(24)));
  StepRow seven = Row(many, 0, kStartInput, RowOutput::kSample);
  seven.steps = 7;
  StepRow three = Row(few, 0, kStartInput, RowOutput::kSample);
  three.steps = 3;
  const StepPlan plan{
      {Row(filled, 0, kStartInput), three, Score(scored, 0, kStartInput, draws[0].first), seven}};
  ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run(plan));
  ASSERT_EQ(results.size(), 12u);
  EXPECT_EQ(results[0].token, -1);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(DrawOf(results[1 + i]), draws[i]) << i;
  EXPECT_EQ(DrawOf(results[4]), draws[0]);
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(DrawOf(results[5 + i]), draws[i]) << i;
    ASSERT_EQ(results[5 + i].top_ids.size(), 2u);
    EXPECT_GE(results[5 + i].top_values[0], results[5 + i].log_prob);
  }
  EXPECT_TRUE(results[4].top_ids.empty());
  EXPECT_EQ(Sample(*executor, few, 3, draws[2].first, 4),
            std::vector<Draw>(draws.begin() + 3, draws.end()));
}

TEST_F(CudaExecutorTest, ReportsTheMostLikelyAlternativesEachSequenceAskedFor) {
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
    for (size_t i = 1; i < result.top_values.size(); ++i) {
      EXPECT_GE(result.top_values[i - 1], result.top_values[i]);
    }
    if (top_logprobs > 0) {
      EXPECT_GE(result.top_values[0], result.log_prob);
    }
    EXPECT_TRUE(results.front().top_ids.empty());
  }
}

TEST_F(CudaExecutorTest, APromptsScoresMayBeMoreThanAPieceOfThem) {
  const RandomModel model = LongModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.max_rows = 640;
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  SequenceSpec spec = SpecOf(600, 600);
  spec.top_logprobs = 3;
  const auto score = [&](int rows) {
    absl::StatusOr<Slot> slot = executor->StartSequence(spec);
    EXPECT_OK(slot);
    std::vector<Draw> scores;
    for (int first = 0; first < 600; first += rows) {
      StepPlan plan;
      for (int t = first; t < std::min(first + rows, 600); ++t) {
        plan.rows.push_back(Score(*slot, t, t == 0 ? kStartInput : t * t % 16, t * 7 % 16));
      }
      const absl::StatusOr<StepResult> results = executor->Run(plan);
      EXPECT_OK(results);
      for (const TokenResult& result : *results) {
        scores.push_back(DrawOf(result));
        EXPECT_EQ(result.top_ids.size(), 3u);
        EXPECT_GE(result.top_values[0], result.log_prob);
      }
    }
    return scores;
  };
  const std::vector<Draw> together = score(600);
  ASSERT_EQ(together.size(), 600u);
  for (size_t t = 0; t < 600; ++t) EXPECT_EQ(together[t].first, static_cast<int32_t>(t * 7 % 16));
  EXPECT_EQ(score(100), together);
  EXPECT_EQ(score(257), together);
}

TEST_F(CudaExecutorTest, ScoringALongSequenceTakesNoMemoryForItsResults) {
  const RandomModel model = SmallModel(R"({"context_length": 65536, "position_axes": [256, 256],
      "attention": [{"pattern": "fixed", "stride": 128, "cells": 2, "spread": 2}]})");
  const auto executor = Start(model);
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(65536, 65536)));
  const auto score = [&](int first, int rows) {
    StepPlan plan;
    for (int t = first; t < first + rows; ++t) {
      plan.rows.push_back(Score(slot, t, t == 0 ? kStartInput : t % 16, t * 5 % 16));
    }
    const absl::StatusOr<StepResult> results = executor->Run(plan);
    ASSERT_OK(results);
    for (const TokenResult& result : *results) ASSERT_TRUE(result.finite);
  };
  score(0, 512);
  const DeviceMemory before = executor->memory();
  for (int first = 512; first < 65536; first += 512) score(first, 512);
  EXPECT_EQ(executor->memory().workspace, before.workspace);
}

TEST_F(CudaExecutorTest, ARowWithoutOutputReportsNoToken) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(4, 1);
  spec.top_logprobs = 2;
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(spec));
  for (const int position : {0, 1}) {  // a prompt's, and a step's
    const int32_t input = position == 0 ? kStartInput : 3;
    ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run({{Row(slot, position, input)}}));
    EXPECT_EQ(results[0].token, -1);
    EXPECT_TRUE(results[0].top_ids.empty());
  }
}

// A model whose embedding of token 1 is so large that norms and products overflow.
TEST_F(CudaExecutorTest, LogitsThatAreNotFiniteAreFlaggedAndStayInTheirSequence) {
  const ModelConfig config = SmallConfig(R"({"attention": [{"pattern": "dense"}]})");
  std::vector<StoredTensor> tensors = RandomTensors(config, 5);
  for (StoredTensor& tensor : tensors) {
    if (tensor.name != "token_embedding.weight") continue;
    std::vector<float> values(static_cast<size_t>(config.vocab_size * config.d_model), 0.5F);
    for (int i = 0; i < config.d_model; ++i) {
      values[static_cast<size_t>(config.d_model + i)] =
          i % 2 == 0 ? 3e38F : 2e38F;  // their sum overflows
    }
    tensor = StoreValues(tensor.name, DType::kFloat32, {config.vocab_size, config.d_model}, values);
  }
  TemporaryDirectory directory;
  directory.Write("model.safetensors", SafetensorsFile(tensors));
  ASSERT_OK_AND_ASSIGN(const Weights weights, Weights::Load(directory.path(), config));
  for (const WeightFormat format : {WeightFormat::kFloat32, WeightFormat::kFloat16,
                                    WeightFormat::kBfloat16, WeightFormat::kInt8}) {
    const auto executor = MakeCudaExecutor(config, weights, TestOptions(format));
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

TEST_F(CudaExecutorTest, RefusesOptionsOutOfRange) {
  const RandomModel model = SmallModel();
  const auto refuses = [&](auto change, const std::string& text) {
    CudaOptions options;
    change(options);
    EXPECT_THAT(CreateCudaExecutor(model.config, model.weights, options), StatusIs(kInvalid, text));
  };
  const int devices = CudaDeviceCount();
  refuses([&](CudaOptions& o) { o.device = devices; },
          absl::StrCat("CUDA device ", devices, " does not exist; there are ", devices));
  refuses([](CudaOptions& o) { o.device = -1; },
          absl::StrCat("CUDA device -1 does not exist; there are ", devices));
  refuses([](CudaOptions& o) { o.memory_fraction = 0; },
          "memory_fraction is 0; it must be above 0, to 1");
  refuses([](CudaOptions& o) { o.memory_fraction = 1.5; },
          "memory_fraction is 1.5; it must be above 0, to 1");
  refuses([](CudaOptions& o) { o.max_rows = 0; }, "max_rows is 0; it must be at least 1");
  refuses([](CudaOptions& o) { o.max_slots = 0; }, "max_slots is 0; it must be at least 1");
  refuses([](CudaOptions& o) { o.max_steps = 0; }, "max_steps is 0; it must be at least 1");
  refuses([](CudaOptions& o) { o.cache_capacity_bytes = -1; },
          "cache_capacity_bytes is -1; it must be at least 0");
}

TEST_F(CudaExecutorTest, AnArenaBeyondTheDevicesMemoryIsRefusedAndLosesNothing) {
  const RandomModel model = SmallModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.cache_capacity_bytes = int64_t{1} << 50;
  EXPECT_THAT(CreateCudaExecutor(model.config, model.weights, options), StatusIs(kExhausted));
  const auto executor = Start(model);
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(4)));
  Sample(*executor, slot, 0, kStartInput, 4);
}

TEST_F(CudaExecutorTest, WhatMemoryReportsHasBeenTakenFromTheDevice) {
  const RandomModel model = SmallModel(R"({"d_model": 512, "d_ff": 2048, "n_layer": 4})");
  { const auto warm = Start(model); }  // what CUDA takes once for all
  size_t free_before = 0;
  size_t total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free_before, &total), cudaSuccess);
  const auto executor = Start(model);
  const DeviceMemory memory = executor->memory();
  EXPECT_EQ(memory.cache, TestOptions(WeightFormat::kBfloat16).cache_capacity_bytes);
  EXPECT_GE(memory.weights, 2 * model.weights.parameter_count());
  EXPECT_LE(memory.weights + memory.cache + memory.workspace,
            static_cast<int64_t>(free_before) - memory.free + kPages);
  SequenceSpec spec = SpecOf(4);
  spec.top_logprobs = 16;
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(spec));
  EXPECT_GT(executor->memory().workspace, memory.workspace) << "room for alternatives";
}

TEST_F(CudaExecutorTest, WithoutACapacityCachesGetTheShareOfFreeMemoryThatIsLeft) {
  const RandomModel model = SmallModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.cache_capacity_bytes = 0;
  options.memory_fraction = 0.25;
  { const auto warm = Start(model); }
  size_t free_before = 0;
  size_t total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free_before, &total), cudaSuccess);
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  const DeviceMemory memory = executor->memory();
  const auto share = static_cast<int64_t>(free_before / 4);
  EXPECT_LE(memory.weights + memory.cache + memory.workspace, share + kPages);
  EXPECT_GT(memory.cache, share / 2) << "the model is small";
  EXPECT_LE(executor->cache_usage().capacity_bytes, memory.cache);
  EXPECT_GT(executor->cache_usage().capacity_bytes, memory.cache - CacheArena::kAlignment);
}

}  // namespace
}  // namespace strided::cuda
