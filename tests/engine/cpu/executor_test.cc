#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "engine/cache/cache_bytes.h"
#include "engine/cpu/cpu_executor.h"
#include "tests/engine/cpu/sequence_runner.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;

// SmallConfig: context 24, vocabulary 16.
RandomModel SmallModel(absl::string_view overrides = "{}") {
  return MakeRandomModel(SmallConfig(overrides), /*seed=*/3);
}

std::unique_ptr<Executor> Start(const RandomModel& model, const CpuOptions& options = {}) {
  absl::StatusOr<std::unique_ptr<Executor>> executor =
      CreateCpuExecutor(model.config, model.weights, options);
  EXPECT_OK(executor);
  return *std::move(executor);
}

SequenceSpec SpecOf(int max_length) {
  SequenceSpec spec;
  spec.max_length = max_length;
  return spec;
}

StepRow Row(const Slot& slot, int position, int32_t input, RowOutput output = RowOutput::kNone) {
  return {.slot = slot.index(), .position = position, .input = input, .output = output};
}

// Samples `count` tokens after what the slot has run, one step each.
std::vector<int32_t> Sample(Executor& executor, const Slot& slot, int position, int32_t input,
                            int count) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) {
    StepPlan plan{{Row(slot, position + i, input, RowOutput::kSample)}};
    const absl::StatusOr<StepResult> result = executor.Run(plan);
    EXPECT_OK(result);
    input = result->front().token;
    tokens.push_back(input);
  }
  return tokens;
}

TEST(CpuExecutorTest, SaysWhatItsBitsDependOn) {
  const RandomModel model = SmallModel();
  CpuOptions options;
  options.instruction_set = "scalar";
  options.weight_format = WeightFormat::kInt8;
  const auto executor = Start(model, options);
  EXPECT_EQ(executor->info().device, "cpu");
  EXPECT_EQ(executor->info().weight_format, "int8");
  EXPECT_EQ(executor->info().numerics, "cpu-2 weights=int8 cache=bfloat16 arithmetic=unfused");
  EXPECT_EQ(executor->info().parameter_count, model.weights.parameter_count());
}

TEST(CpuExecutorTest, SetsWithEqualNumericsGiveEqualBits) {
  const LoadedModel model = LoadModel("tests/golden/heads");
  const std::vector<int32_t> tokens = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};
  std::map<std::string, std::vector<std::vector<uint32_t>>> bits;  // by numerics
  int compared = 0;
  for (const std::string& set : InstructionSets()) {
    for (const WeightFormat format :
         {WeightFormat::kFloat32, WeightFormat::kBfloat16, WeightFormat::kInt8}) {
      CpuOptions options;
      options.instruction_set = set;
      options.weight_format = format;
      const auto executor = MakeExecutor(model, options);
      const auto mine = BitsOf(AllLogProbs(*executor, tokens, {}, {}));
      const auto [known, is_new] = bits.try_emplace(executor->info().numerics, mine);
      compared += is_new ? 0 : 1;
      EXPECT_EQ(known->second, mine) << set << " " << executor->info().numerics;
    }
  }
  EXPECT_EQ(compared > 0, InstructionSets().size() > 2);
}

TEST(CpuExecutorTest, AnyNumberOfThreadsGivesTheSameBits) {
  for (const char* name : {"heads", "odd_sizes", "wider", "mixed_layers"}) {
    const LoadedModel model = LoadModel(absl::StrCat("tests/golden/", name));
    const std::vector<int32_t> tokens = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3};
    std::vector<std::vector<uint32_t>> of_one;
    for (const int threads : {1, 2, 3, 5}) {
      CpuOptions options;
      options.threads = threads;
      const auto executor = MakeExecutor(model, options);
      const auto bits = BitsOf(AllLogProbs(*executor, tokens, {}, {1, 6}));
      if (threads == 1) of_one = bits;
      EXPECT_EQ(bits, of_one) << name << " with " << threads << " threads";
    }
  }
}

TEST(CpuExecutorTest, TheCacheOfASlotIsCountedExactlyAndGivenBack) {
  const RandomModel model = SmallModel();
  for (const WeightFormat format : {WeightFormat::kFloat32, WeightFormat::kBfloat16}) {
    CpuOptions options;
    options.weight_format = format;
    const auto executor = Start(model, options);
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

TEST(CpuExecutorTest, RefusesWhatDoesNotFitWithTheNumbers) {
  const RandomModel model = SmallModel();
  CpuOptions options;
  options.cache_capacity_bytes = SequenceCacheBytes(model.config, 24, 4);
  const auto executor = Start(model, options);
  ASSERT_OK_AND_ASSIGN(Slot slot, executor->StartSequence(SpecOf(24)));
  EXPECT_THAT(executor->StartSequence(SpecOf(1)),
              StatusIs(kExhausted, HasSubstr(absl::StrCat("of ", options.cache_capacity_bytes))));
  EXPECT_THAT(executor->ForkSequence(slot, SpecOf(24)), StatusIs(kExhausted));
  const Slot released = std::move(slot);
}

TEST(CpuExecutorTest, RefusesForGoodWhatCanNeverFit) {
  const RandomModel model = SmallModel();
  CpuOptions options;
  options.cache_capacity_bytes = 100;
  const auto executor = Start(model, options);
  EXPECT_THAT(executor->StartSequence(SpecOf(24)), StatusIs(kInvalid, HasSubstr("100 in all")));
}

TEST(CpuExecutorTest, SlotsAreBoundedAndUsedAgain) {
  const RandomModel model = SmallModel();
  CpuOptions options;
  options.max_slots = 2;
  const auto executor = Start(model, options);
  ASSERT_OK_AND_ASSIGN(const Slot first, executor->StartSequence(SpecOf(4)));
  EXPECT_EQ(first.index(), 0);
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const Slot second, executor->StartSequence(SpecOf(4)));
    EXPECT_EQ(second.index(), 1);
    EXPECT_THAT(executor->StartSequence(SpecOf(4)), StatusIs(kExhausted, HasSubstr("all 2 slots")));
  }
}

TEST(CpuExecutorTest, RefusesSpecsThatDoNotFitTheModel) {
  const RandomModel model = SmallModel(R"({"conditions": [{"name": "class", "values": 3}]})");
  const auto executor = Start(model);
  const auto refuses = [&](auto change, const std::string& text) {
    SequenceSpec spec = SpecOf(24);
    spec.condition_values = {0};
    change(spec);
    EXPECT_THAT(executor->StartSequence(spec), StatusIs(kInvalid, HasSubstr(text)));
  };
  refuses([](SequenceSpec& s) { s.max_length = 0; }, "max_length is 0; it must be 1 to 24");
  refuses([](SequenceSpec& s) { s.max_length = 25; }, "max_length is 25");
  refuses([](SequenceSpec& s) { s.prompt_length = -1; }, "prompt_length is -1");
  refuses([](SequenceSpec& s) { s.top_logprobs = 17; }, "top_logprobs is 17; it must be 0 to 16");
  refuses([](SequenceSpec& s) { s.condition_values.clear(); }, "number of condition_values is 0");
  refuses([](SequenceSpec& s) { s.condition_values = {3}; }, "condition class is 3");
  refuses([](SequenceSpec& s) { s.sampling.top_p = 2; }, "top_p");
  EXPECT_EQ(executor->cache_usage().slots_in_use, 0);
}

TEST(CpuExecutorTest, RefusesBadPlansAndDoesNothing) {
  const RandomModel model = SmallModel();
  CpuOptions options;
  options.max_rows = 4;
  const auto executor = Start(model, options);
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(3)));
  ASSERT_OK_AND_ASSIGN(const Slot other, executor->StartSequence(SpecOf(3)));
  const StepRow start = Row(slot, 0, kStartInput);
  const auto refuses = [&](std::vector<StepRow> rows, const std::string& text) {
    EXPECT_THAT(executor->Run({std::move(rows)}), StatusIs(kInvalid, HasSubstr(text)));
  };
  StepRow elsewhere = start;
  elsewhere.slot = 7;
  StepRow bad_target = Row(slot, 0, kStartInput, RowOutput::kScore);
  bad_target.target = 16;
  refuses({}, "1 to 4 rows, not 0");
  refuses(std::vector<StepRow>(5, start), "1 to 4 rows, not 5");
  refuses({elsewhere}, "plan row 0: slot 7 is not in use");
  refuses({Row(slot, 1, 2)}, "is at position 0, not 1");
  refuses({start, Row(slot, 2, 2)}, "is at position 1, not 2");
  refuses({Row(slot, 0, 2)}, "position 0 takes the start input");
  refuses({start, Row(slot, 1, kStartInput)}, "input -1 is not a token");
  refuses({start, Row(slot, 1, 16)}, "input 16 is not a token; the vocabulary has 16");
  refuses({bad_target}, "target 16 is not a token");
  refuses({start, Row(other, 0, kStartInput), Row(slot, 1, 2)}, "do not stand together");
  refuses({start, Row(slot, 1, 2), Row(slot, 2, 2), Row(slot, 3, 2)}, "started for 3 steps");
  EXPECT_OK(executor->Run({{start, Row(slot, 1, 2)}})) << "nothing had been run before";
}

TEST(CpuExecutorTest, AForkContinuesAsItsParentWouldWithItsSeed) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(24);
  spec.prompt_length = 6;
  spec.sampling.repetition_penalty = 1.5;
  spec.seed = 11;
  const auto prefilled = [&](const SequenceSpec& its_spec) {
    Slot slot = *executor->StartSequence(its_spec);
    StepPlan plan;
    for (int t = 0; t < 6; ++t) plan.rows.push_back(Row(slot, t, t == 0 ? kStartInput : t));
    EXPECT_OK(executor->Run(plan));
    return slot;
  };
  const Slot parent = prefilled(spec);
  SequenceSpec other_spec = spec;
  other_spec.seed = 12;
  const Slot alone = prefilled(other_spec);
  ASSERT_OK_AND_ASSIGN(const Slot fork, executor->ForkSequence(parent, other_spec));
  const std::vector<int32_t> of_parent = Sample(*executor, parent, 6, 6, 18);
  const std::vector<int32_t> of_fork = Sample(*executor, fork, 6, 6, 18);
  EXPECT_EQ(of_fork, Sample(*executor, alone, 6, 6, 18));
  EXPECT_NE(of_fork, of_parent);
}

TEST(CpuExecutorTest, AForkNeedsItsParentsShape) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  ASSERT_OK_AND_ASSIGN(const Slot parent, executor->StartSequence(SpecOf(8)));
  EXPECT_THAT(executor->ForkSequence(parent, SpecOf(9)),
              StatusIs(kInvalid, HasSubstr("max_length")));
}

TEST(CpuExecutorTest, APieceThatSamplesAtEveryRowDrawsAsSingleStepsDo) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(24);
  spec.sampling.frequency_penalty = 2;
  ASSERT_OK_AND_ASSIGN(const Slot single, executor->StartSequence(spec));
  const std::vector<int32_t> tokens = Sample(*executor, single, 0, kStartInput, 24);
  ASSERT_OK_AND_ASSIGN(const Slot replay, executor->StartSequence(spec));
  StepPlan plan;
  for (int t = 0; t < 24; ++t) {
    const int32_t input = t == 0 ? kStartInput : tokens[static_cast<size_t>(t - 1)];
    plan.rows.push_back(Row(replay, t, input, RowOutput::kSample));
  }
  ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run(plan));
  for (size_t t = 0; t < tokens.size(); ++t) EXPECT_EQ(results[t].token, tokens[t]) << t;
}

TEST(CpuExecutorTest, ALongerLimitDoesNotChangeTheBits) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  ASSERT_OK_AND_ASSIGN(const Slot shorter, executor->StartSequence(SpecOf(9)));
  ASSERT_OK_AND_ASSIGN(const Slot longer, executor->StartSequence(SpecOf(24)));
  EXPECT_EQ(Sample(*executor, shorter, 0, kStartInput, 9),
            Sample(*executor, longer, 0, kStartInput, 9));
}

TEST(CpuExecutorTest, ReportsTheMostLikelyAlternativesEachSequenceAskedFor) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(4);
  ASSERT_OK_AND_ASSIGN(const Slot none, executor->StartSequence(spec));
  spec.top_logprobs = 3;
  ASSERT_OK_AND_ASSIGN(const Slot three, executor->StartSequence(spec));
  const StepPlan plan{{Row(none, 0, kStartInput, RowOutput::kSample),
                       Row(three, 0, kStartInput, RowOutput::kSample)}};
  ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run(plan));
  EXPECT_TRUE(results[0].top_ids.empty());
  ASSERT_EQ(results[1].top_ids.size(), 3u);
  EXPECT_GE(results[1].top_values[0], results[1].top_values[1]);
  EXPECT_GE(results[1].top_values[1], results[1].top_values[2]);
  EXPECT_GE(results[1].top_values[0], results[1].log_prob);
  EXPECT_EQ(results[0].log_prob, results[1].log_prob) << "the same token with the same seed";
}

TEST(CpuExecutorTest, ARowWithoutOutputReportsNoToken) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(4)));
  ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run({{Row(slot, 0, kStartInput)}}));
  EXPECT_EQ(results[0].token, -1);
}

// A model whose embedding of token 1 is so large that norms and products overflow.
TEST(CpuExecutorTest, LogitsThatAreNotFiniteAreFlaggedAndStayInTheirSequence) {
  const ModelConfig config = SmallConfig(R"({"attention": [{"pattern": "dense"}]})");
  std::vector<StoredTensor> tensors = RandomTensors(config, 5);
  for (StoredTensor& tensor : tensors) {
    if (tensor.name != "token_embedding.weight") continue;
    std::vector<float> values(static_cast<size_t>(config.vocab_size * config.d_model), 0.5f);
    for (int i = 0; i < config.d_model; ++i) {
      values[static_cast<size_t>(config.d_model + i)] = i % 2 == 0 ? 3e38f : -3e38f;
    }
    tensor = StoreValues(tensor.name, DType::kFloat32, {config.vocab_size, config.d_model}, values);
  }
  TemporaryDirectory directory;
  directory.Write("model.safetensors", SafetensorsFile(tensors));
  ASSERT_OK_AND_ASSIGN(const Weights weights, Weights::Load(directory.path(), config));
  for (const WeightFormat format :
       {WeightFormat::kFloat32, WeightFormat::kBfloat16, WeightFormat::kInt8}) {
    CpuOptions options;
    options.weight_format = format;
    ASSERT_OK_AND_ASSIGN(const auto executor, CreateCpuExecutor(config, weights, options));
    ASSERT_OK_AND_ASSIGN(const Slot bad, executor->StartSequence(SpecOf(3)));
    ASSERT_OK_AND_ASSIGN(const Slot good, executor->StartSequence(SpecOf(3)));
    const StepPlan plan{{Row(bad, 0, kStartInput), Row(bad, 1, 1),
                         Row(bad, 2, 2, RowOutput::kSample), Row(good, 0, kStartInput),
                         Row(good, 1, 2, RowOutput::kSample)}};
    ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run(plan));
    EXPECT_FALSE(results[2].finite) << executor->info().numerics;
    EXPECT_TRUE(results[4].finite) << executor->info().numerics;
  }
}

TEST(CpuExecutorTest, RefusesOptionsOutOfRange) {
  const RandomModel model = SmallModel();
  const auto refuses = [&](auto change, const std::string& text) {
    CpuOptions options;
    change(options);
    EXPECT_THAT(CreateCpuExecutor(model.config, model.weights, options),
                StatusIs(kInvalid, HasSubstr(text)));
  };
  refuses([](CpuOptions& o) { o.threads = -1; }, "threads is -1");
  refuses([](CpuOptions& o) { o.max_rows = 0; }, "max_rows is 0; it must be at least 1");
  refuses([](CpuOptions& o) { o.max_slots = 0; }, "max_slots is 0");
  refuses([](CpuOptions& o) { o.cache_capacity_bytes = 0; }, "cache_capacity_bytes is 0");
  refuses([](CpuOptions& o) { o.instruction_set = "mmx"; }, "this processor has scalar");
}

TEST(CpuExecutorTest, UsageMayBeReadWhileSlotsComeAndGo) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  std::thread reader([&] {
    for (int i = 0; i < 1000; ++i) {
      const CacheUsage usage = executor->cache_usage();
      EXPECT_EQ(usage.used_bytes, usage.slots_in_use * executor->CacheBytes(24));
    }
  });
  for (int i = 0; i < 200; ++i) EXPECT_OK(executor->StartSequence(SpecOf(24)));
  reader.join();
}

}  // namespace
}  // namespace strided
