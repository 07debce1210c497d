#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "engine/cpu/cpu_executor.h"
#include "tests/engine/cpu/sequence_runner.h"
#include "tests/engine/executor_suite.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using testing::HasSubstr;

const ExecutorUnderTest& Cpu() {
  static const ExecutorUnderTest kCpu{
      .formats = {WeightFormat::kFloat32, WeightFormat::kBfloat16, WeightFormat::kInt8},
      .create =
          [](const ModelConfig& config, const Weights& weights, const SuiteOptions& from) {
            CpuOptions options;
            options.weight_format = from.weight_format;
            options.max_rows = from.max_rows;
            options.max_slots = from.max_slots;
            options.cache_capacity_bytes = from.cache_capacity_bytes;
            return CreateCpuExecutor(config, weights, options);
          },
      .absent = ""};
  return kCpu;
}

INSTANTIATE_TEST_SUITE_P(Cpu, ExecutorSuite, testing::Values(Cpu()));
INSTANTIATE_TEST_SUITE_P(Cpu, SequenceSuite, testing::Values(Cpu()));

TEST(CpuExecutorTest, SaysWhatItsBitsDependOn) {
  const RandomModel model = SmallModel();
  CpuOptions options;
  options.instruction_set = InstructionSets().front();  // scalar or neon
  options.weight_format = WeightFormat::kInt8;
  ASSERT_OK_AND_ASSIGN(const auto executor,
                       CreateCpuExecutor(model.config, model.weights, options));
  EXPECT_EQ(executor->info().device, "cpu");
  EXPECT_EQ(executor->info().weight_format, "int8");
  EXPECT_EQ(executor->info().numerics,
            absl::StrCat("cpu-2 weights=int8 cache=bfloat16 arithmetic=",
                         options.instruction_set == "scalar" ? "unfused" : "fused"));
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

TEST(CpuExecutorTest, RefusesOptionsOutOfRange) {
  const RandomModel model = SmallModel();
  const auto refuses = [&](auto change, const std::string& text) {
    CpuOptions options;
    change(options);
    EXPECT_THAT(CreateCpuExecutor(model.config, model.weights, options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text)));
  };
  refuses([](CpuOptions& o) { o.threads = -1; }, "threads is -1");
  refuses([](CpuOptions& o) { o.cache_capacity_bytes = 0; }, "cache_capacity_bytes is 0");
  refuses([](CpuOptions& o) { o.weight_format = WeightFormat::kFloat16; },
          "weight_format is float16; the CPU takes float32, bfloat16 or int8");
  refuses([](CpuOptions& o) { o.instruction_set = "mmx"; },
          absl::StrCat("this processor has ", InstructionSets().front()));
}

}  // namespace
}  // namespace strided
