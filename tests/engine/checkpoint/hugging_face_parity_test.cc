// Hugging Face directories, read as they are and run, against what transformers' classes say of
// them (hugging_face_models.py). The directories in hugging_face/ are compared everywhere; where
// PyTorch and transformers are installed, others are drawn and compared, too.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/checkpoint/model_directory.h"
#include "engine/cpu/cpu_executor.h"
#include "tests/engine/checkpoint/hugging_face_expectation.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

constexpr int kNoTransformers = 77;
constexpr double kTolerance = 1e-4;  // of a natural log-probability, in float32

void ExpectParity(const std::string& directory) {
  ASSERT_OK_AND_ASSIGN(const ModelDirectory model, ReadModelDirectory(directory));
  ASSERT_OK_AND_ASSIGN(const auto executor, CreateCpuExecutor(model.config, model.weights, {}));
  ExpectWhatTransformersSaid(directory, *executor, kTolerance);
}

// The directory that the script has filled, made once; its exit code.
struct Files {
  TemporaryDirectory directory;
  int exit_code = 0;
};

const Files& DrawnAnew() {
  static const Files kFiles = [] {
    Files files;
    const std::string command =
        absl::StrCat(PYTHON_PROGRAM, " -B tests/engine/checkpoint/hugging_face_models.py ",
                     files.directory.path(), " --seed 2");
    // No other thread of this process touches its environment or signals.
    const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe)
    files.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return files;
  }();
  return kFiles;
}

class HuggingFaceParityTest : public testing::TestWithParam<const char*> {};

TEST_P(HuggingFaceParityTest, AStoredDirectorySaysWhatTransformersSaid) {
  ExpectParity(absl::StrCat(kStoredHuggingFace, "/", GetParam()));
}

TEST_P(HuggingFaceParityTest, ADirectoryDrawnAnewSaysWhatTransformersSays) {
  if (DrawnAnew().exit_code == kNoTransformers) {
    GTEST_SKIP() << "no Python with PyTorch and transformers";
  }
  ASSERT_EQ(DrawnAnew().exit_code, 0);
  ExpectParity(absl::StrCat(DrawnAnew().directory.path(), "/", GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Families, HuggingFaceParityTest,
                         testing::Values("gpt2", "gpt_neo", "imagegpt", "rugpt3xl"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace strided
