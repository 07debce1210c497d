// Files that NumPy has written, converted and run, against a float64 forward pass over the same
// arrays (distaug_npz.py). Skipped where there is no Python with NumPy.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/checkpoint/checkpoint_reader.h"
#include "engine/checkpoint/converter.h"
#include "tests/engine/cpu/sequence_runner.h"
#include "tests/testing/golden.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

constexpr int kNoNumPy = 77;

struct Case {
  std::string name;  // as distaug_npz.py has it
  int n_head = 2;
  std::string schedule = "strided,local,local,local";
  bool raw = false;
};

// The directory that the script has filled, made once; its exit code.
struct Files {
  TemporaryDirectory directory;
  int exit_code = 0;
};

const Files& MadeByNumPy() {
  static const Files kFiles = [] {
    Files files;
    const std::string command = absl::StrCat(
        PYTHON_PROGRAM, " -B tests/engine/checkpoint/distaug_npz.py ", files.directory.path());
    // No other thread of this process touches its environment or signals.
    const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe)
    files.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return files;
  }();
  return kFiles;
}

class DistaugParityTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (MadeByNumPy().exit_code == kNoNumPy) GTEST_SKIP() << "no Python with NumPy";
    ASSERT_EQ(MadeByNumPy().exit_code, 0);
  }
};

TEST_P(DistaugParityTest, TheConvertedModelSaysWhatTheFileSays) {
  const Case& test = GetParam();
  const std::string directory = absl::StrCat(MadeByNumPy().directory.path(), "/", test.name);
  ReaderOptions options;
  DistaugLayout layout;
  layout.n_head = test.n_head;
  ASSERT_OK_AND_ASSIGN(layout.schedule, ParseDistaugSchedule(test.schedule));
  layout.stride = 12;
  options.distaug.layout = layout;
  options.distaug.raw = test.raw;
  ASSERT_OK_AND_ASSIGN(const auto source,
                       OpenForeignCheckpoint(absl::StrCat(directory, "/run.npz"), options));
  const std::string version = absl::StrCat(directory, "/model/1");
  ASSERT_OK(
      ConvertCheckpoint(*source, version, {}, [](int64_t, int64_t) { return absl::OkStatus(); }));
  const LoadedModel model = LoadModel(version);
  const std::unique_ptr<Executor> executor = MakeExecutor(model, {});
  for (const GoldenSequence& golden : LoadGolden(directory)) {
    ExpectClose(AllLogProbs(*executor, golden.tokens, golden.condition_values, {}), golden, 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, DistaugParityTest,
    testing::Values(Case{"baseline"}, Case{.name = "raw", .raw = true}, Case{"deflated"},
                    Case{"rotation"}, Case{"every_table"},
                    Case{.name = "wide", .n_head = 4, .schedule = "local,strided,local,local"},
                    Case{.name = "dense", .schedule = "dense"}, Case{"half"}, Case{"fortran"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace strided
