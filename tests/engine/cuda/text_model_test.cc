// The bundled text model on real text: narrow weights and caches may cost next to nothing.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "engine/base/file.h"
#include "engine/cpu/cpu_executor.h"
#include "tests/engine/cuda/cuda_runner.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/testing/status_matchers.h"

namespace strided::cuda {
namespace {

constexpr int kBytes = 4000;
constexpr WeightFormat kBfloat16 = WeightFormat::kBfloat16;
constexpr int kPiece = 250;  // rows of a call

std::vector<int32_t> SomeText() {
  absl::StatusOr<std::string> text = ReadSmallFile("engine/README.md", int64_t{1} << 20);
  EXPECT_OK(text);
  EXPECT_GE(text->size(), static_cast<size_t>(kBytes));
  std::vector<int32_t> tokens;
  for (int i = 0; i < kBytes; ++i) {
    tokens.push_back(static_cast<unsigned char>((*text)[static_cast<size_t>(i)]));
  }
  return tokens;
}

// Of the whole text, of which the first `prompt_length` bytes are a prompt.
double BitsPerByte(Executor& executor, const std::vector<int32_t>& tokens, int prompt_length) {
  SequenceSpec spec;
  spec.max_length = kBytes;
  spec.prompt_length = prompt_length;
  absl::StatusOr<Slot> slot = executor.StartSequence(spec);
  EXPECT_OK(slot);
  double nats = 0;
  for (int first = 0; first < kBytes; first += kPiece) {
    StepPlan plan;
    for (int t = first; t < first + kPiece; ++t) plan.rows.push_back(ScoreRow(*slot, t, tokens));
    const absl::StatusOr<StepResult> results = executor.Run(plan);
    EXPECT_OK(results);
    for (const TokenResult& result : *results) nats -= double{result.log_prob};
  }
  return nats / kBytes / std::numbers::ln2;
}

using TextModelTest = CudaTest;

TEST_F(TextModelTest, BitsPerByteAreThoseOfFloat32OnTheCpu) {
  const LoadedModel model = LoadModel("deploy/models/text/1");
  const std::vector<int32_t> tokens = SomeText();
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Executor> exact,
                       CreateCpuExecutor(model.config, model.weights, {}));
  const double expected = BitsPerByte(*exact, tokens, 0);
  EXPECT_LT(expected, 4) << "the model knows text";
  for (const WeightFormat format :
       {WeightFormat::kFloat32, WeightFormat::kBfloat16, WeightFormat::kInt8}) {
    const auto executor = MakeCudaExecutor(model.config, model.weights, TestOptions(format));
    for (const int prompt_length : {0, kBytes / 2, kBytes}) {
      const double bits = BitsPerByte(*executor, tokens, prompt_length);
      EXPECT_LE(std::abs(bits / expected - 1), 0.002)
          << executor->info().numerics << ", prompt of " << prompt_length << ": " << bits
          << " bits per byte, expected " << expected;
    }
  }
}

TEST_F(TextModelTest, Int8CachesCostLessThanOnePercent) {
  const LoadedModel model = LoadModel("deploy/models/text/1");
  const std::vector<int32_t> tokens = SomeText();
  const auto wide = MakeCudaExecutor(model.config, model.weights, TestOptions(kBfloat16));
  const double expected = BitsPerByte(*wide, tokens, kBytes);
  const auto narrow =
      MakeCudaExecutor(model.config, model.weights, TestOptions(kBfloat16, CacheFormat::kInt8));
  for (const int prompt_length : {0, kBytes / 2, kBytes}) {
    const double bits = BitsPerByte(*narrow, tokens, prompt_length);
    EXPECT_LE(std::abs(bits / expected - 1), 0.01)
        << "prompt of " << prompt_length << ": " << bits << " bits per byte, expected " << expected;
  }
}

}  // namespace
}  // namespace strided::cuda
