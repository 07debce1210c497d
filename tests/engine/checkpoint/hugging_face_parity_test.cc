// Hugging Face directories, read as they are and run, against what transformers' classes say of
// them (hugging_face_models.py). The directories in hugging_face/ are compared everywhere; where
// PyTorch and transformers are installed, others are drawn and compared, too.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/checkpoint/model_directory.h"
#include "tests/engine/cpu/sequence_runner.h"
#include "tests/testing/golden.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

constexpr int kNoTransformers = 77;
constexpr double kTolerance = 1e-4;  // of a natural log-probability, in float32
constexpr absl::string_view kStored = "tests/engine/checkpoint/hugging_face";

// What expected.json says.
struct Expected {
  int32_t first = 0;      // what step 0 reads before the scored tokens
  GoldenSequence scored;  // log_probs[t] predicts tokens[t]
  std::vector<int32_t> prompt;
  std::vector<int32_t> continuation;  // by the largest logit
};

Expected ReadExpected(const std::string& directory) {
  const nlohmann::json json = nlohmann::json::parse(std::ifstream(directory + "/expected.json"));
  Expected expected;
  expected.first = json.at("first").get<int32_t>();
  expected.scored.tokens = json.at("tokens").get<std::vector<int32_t>>();
  expected.scored.log_probs = json.at("log_probs").get<std::vector<std::vector<double>>>();
  expected.prompt = json.at("prompt").get<std::vector<int32_t>>();
  expected.continuation = json.at("continuation").get<std::vector<int32_t>>();
  return expected;
}

// Draws by the largest logit after `inputs`, what steps 0, 1, ... read.
std::vector<int32_t> Continue(Executor& executor, const std::vector<int32_t>& inputs, int count) {
  SequenceSpec spec;
  spec.max_length = static_cast<int>(inputs.size()) + count - 1;
  spec.sampling.temperature = 0;
  absl::StatusOr<Slot> slot = executor.StartSequence(spec);
  EXPECT_TRUE(slot.ok()) << slot.status();
  std::vector<int32_t> drawn;
  for (int t = 0; t < spec.max_length; ++t) {
    const auto at = static_cast<size_t>(t);
    StepRow row{.slot = slot->index(), .position = t};
    row.input = at < inputs.size() ? inputs[at] : drawn.back();
    if (at + 1 >= inputs.size()) row.output = RowOutput::kSample;
    const absl::StatusOr<StepResult> result = executor.Run({{row}});
    EXPECT_TRUE(result.ok()) << result.status();
    if (row.output == RowOutput::kSample) drawn.push_back(result->front().token);
  }
  return drawn;
}

void ExpectParity(const std::string& directory) {
  const Expected expected = ReadExpected(directory);
  ASSERT_OK_AND_ASSIGN(const ModelDirectory model, ReadModelDirectory(directory));
  ASSERT_OK_AND_ASSIGN(const auto executor, CreateCpuExecutor(model.config, model.weights, {}));
  const bool starts = model.config.has_start_vector;
  const int32_t first = starts ? kStartInput : expected.first;
  ExpectClose(AllLogProbs(*executor, expected.scored.tokens, {}, {7, 20}, 0, first),
              expected.scored, kTolerance);
  std::vector<int32_t> inputs = expected.prompt;
  if (starts) inputs.insert(inputs.begin(), kStartInput);
  const auto count = static_cast<int>(expected.continuation.size());
  EXPECT_EQ(count, 256);
  EXPECT_EQ(Continue(*executor, inputs, count), expected.continuation);
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
  ExpectParity(absl::StrCat(kStored, "/", GetParam()));
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
