// Hugging Face directories on a GPU, against what transformers' classes said of them.

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "engine/checkpoint/model_directory.h"
#include "tests/engine/checkpoint/hugging_face_expectation.h"
#include "tests/engine/cuda/cuda_runner.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/testing/status_matchers.h"

namespace strided::cuda {
namespace {

constexpr double kTolerance = 2e-4;  // of a natural log-probability: float32 in another order

class CudaHuggingFaceTest : public CudaTest, public testing::WithParamInterface<const char*> {};

TEST_P(CudaHuggingFaceTest, AStoredDirectorySaysWhatTransformersSaid) {
  const std::string directory = absl::StrCat(kStoredHuggingFace, "/", GetParam());
  ASSERT_OK_AND_ASSIGN(const ModelDirectory model, ReadModelDirectory(directory));
  const auto executor =
      MakeCudaExecutor(model.config, model.weights, TestOptions(WeightFormat::kFloat32));
  for (const int prompt_length : {0, 20, 40}) {
    SCOPED_TRACE(prompt_length);
    ExpectWhatTransformersSaid(directory, *executor, kTolerance, prompt_length);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, CudaHuggingFaceTest,
                         testing::Values("gpt2", "gpt_neo", "imagegpt", "rugpt3xl"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace strided::cuda
