// The CPU executor against the NumPy oracle (tests/golden), for every pattern and option.

#include "tests/testing/golden.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/engine/cpu/sequence_runner.h"

namespace strided {
namespace {

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

TEST_P(GoldenTest, WideHiddenValuesHaveAFormOfTheirOwn) {
  LoadedModel model = LoadModel(directory());
  const std::unique_ptr<Executor> exact = MakeExecutor(model, {});
  model.config.wide_hidden = true;
  for (const std::string& set : {InstructionSets().front(), InstructionSets().back()}) {
    CpuOptions options;
    options.weight_format = WeightFormat::kInt8;
    options.instruction_set = set;
    options.threads = 2;
    const std::unique_ptr<Executor> executor = MakeExecutor(model, options);
    EXPECT_THAT(executor->info().numerics, testing::HasSubstr(" down=bfloat16"));
    for (const GoldenSequence& golden : LoadGolden(directory())) {
      const auto run = [&](Executor& which, const std::vector<int>& cuts) {
        return AllLogProbs(which, golden.tokens, golden.condition_values, cuts);
      };
      const auto whole = run(*executor, {});
      const double share = BitsPerToken(golden, whole) / BitsPerToken(golden, run(*exact, {})) - 1;
      EXPECT_LE(std::abs(share), 0.01) << executor->info().numerics;
      EXPECT_EQ(BitsOf(run(*executor, CutsOfSize(static_cast<int>(whole.size()), 3))),
                BitsOf(whole));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenTest, testing::ValuesIn(GoldenCases()),
                         [](const auto& model) { return model.param; });

}  // namespace
}  // namespace strided
