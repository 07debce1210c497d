// The CUDA executor against the NumPy oracle (tests/golden), for every pattern and option: step by
// step, and as a prompt.

#include "tests/testing/golden.h"

#include <gtest/gtest.h>

#include "tests/engine/cuda/cuda_runner.h"
#include "tests/engine/cuda/cuda_test.h"

namespace strided::cuda {
namespace {

bool HasInt8Caches(const ModelConfig& config) {
  return CheckCacheFormat(CacheFormat::kInt8, config, WeightFormat::kBfloat16).ok();
}

class CudaGoldenTest : public CudaTest, public testing::WithParamInterface<std::string> {
 protected:
  std::string directory() const { return "tests/golden/" + GetParam(); }

  // Both ways through the network, within `tolerance` of the oracle.
  void ExpectAgreement(WeightFormat format, double tolerance) {
    const LoadedModel model = LoadModel(directory());
    const auto executor = MakeCudaExecutor(model.config, model.weights, TestOptions(format));
    for (const GoldenSequence& golden : LoadGolden(directory())) {
      const int length = static_cast<int>(golden.tokens.size());
      for (const int prompt_length : {0, length / 2, length}) {
        SCOPED_TRACE(prompt_length);
        ExpectClose(
            AllLogProbs(*executor, golden.tokens, golden.condition_values, {}, prompt_length),
            golden, tolerance);
      }
    }
  }
};

TEST_P(CudaGoldenTest, Float32AgreesWithTheOracle) {
  ExpectAgreement(WeightFormat::kFloat32, 2e-4);
}

TEST_P(CudaGoldenTest, NarrowWeightsCostFewBitsPerToken) {
  const LoadedModel model = LoadModel(directory());
  const auto exact =
      MakeCudaExecutor(model.config, model.weights, TestOptions(WeightFormat::kFloat32));
  const std::pair<WeightFormat, double> formats[] = {{WeightFormat::kBfloat16, 0.005},
                                                     {WeightFormat::kFloat16, 0.001},
                                                     {WeightFormat::kInt8, 0.01},
                                                     {WeightFormat::kFloat8, 0.03}};
  for (const auto& [format, share_allowed] : formats) {
    const auto executor = MakeCudaExecutor(model.config, model.weights, TestOptions(format));
    for (const GoldenSequence& golden : LoadGolden(directory())) {
      for (const int prompt_length : {0, static_cast<int>(golden.tokens.size())}) {
        const auto bits = [&](Executor& which) {
          return BitsPerToken(golden, AllLogProbs(which, golden.tokens, golden.condition_values, {},
                                                  prompt_length));
        };
        EXPECT_LE(std::abs(bits(*executor) / bits(*exact) - 1), share_allowed)
            << executor->info().numerics << ", prompt of " << prompt_length;
      }
    }
  }
}

// Keys and values of a byte, too, where the heads' widths allow them.
TEST_P(CudaGoldenTest, Int8CachesCostFewBitsPerToken) {
  const LoadedModel model = LoadModel(directory());
  const auto exact =
      MakeCudaExecutor(model.config, model.weights, TestOptions(WeightFormat::kFloat32));
  const CudaOptions options = TestOptions(WeightFormat::kBfloat16, CacheFormat::kInt8);
  if (!HasInt8Caches(model.config)) {
    EXPECT_EQ(CreateCudaExecutor(model.config, model.weights, options).status().code(),
              absl::StatusCode::kInvalidArgument);
    return;
  }
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  for (const GoldenSequence& golden : LoadGolden(directory())) {
    const int length = static_cast<int>(golden.tokens.size());
    for (const int prompt_length : {0, length / 2, length}) {
      const auto bits = [&](Executor& which) {
        return BitsPerToken(
            golden, AllLogProbs(which, golden.tokens, golden.condition_values, {}, prompt_length));
      };
      EXPECT_LE(std::abs(bits(*executor) / bits(*exact) - 1), 0.01)
          << executor->info().numerics << ", prompt of " << prompt_length;
    }
  }
}

TEST_P(CudaGoldenTest, PiecesOfAnySizeGiveTheSameBits) {
  const LoadedModel model = LoadModel(directory());
  std::vector<CudaOptions> kinds = {TestOptions(WeightFormat::kFloat32),
                                    TestOptions(WeightFormat::kBfloat16)};
  if (HasInt8Caches(model.config)) {
    kinds.push_back(TestOptions(WeightFormat::kBfloat16, CacheFormat::kInt8));
  }
  for (const CudaOptions& options : kinds) {
    const auto executor = MakeCudaExecutor(model.config, model.weights, options);
    SCOPED_TRACE(executor->info().numerics);
    for (const GoldenSequence& golden : LoadGolden(directory())) {
      const int length = static_cast<int>(golden.tokens.size());
      for (const int prompt_length : {0, length}) {
        const auto run = [&](const std::vector<int>& cuts) {
          return BitsOf(
              AllLogProbs(*executor, golden.tokens, golden.condition_values, cuts, prompt_length));
        };
        const auto whole = run({});
        for (const auto& cuts : WaysToCut(model.config, length)) {
          EXPECT_EQ(run(cuts), whole)
              << "cut into " << cuts.size() + 1 << " pieces, prompt of " << prompt_length;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, CudaGoldenTest, testing::ValuesIn(GoldenCases()),
                         [](const auto& model) { return model.param; });

}  // namespace
}  // namespace strided::cuda
