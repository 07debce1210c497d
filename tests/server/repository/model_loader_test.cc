#include "server/repository/model_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/server/repository/model_directory.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const ModelOptions kSmallOptions = {
    .threads = 1, .cache_bytes = 1 << 20, .scheduling = {.max_sequences = 2}};

std::string AutoFormat(DType dtype, bool bfloat16_dot) {
  const RandomModel model = MakeRandomModel(SmallConfig(), 1, dtype);
  return ChooseWeightFormat("auto", model.config, model.weights, bfloat16_dot);
}

TEST(ChooseWeightFormatTest, AutoKeepsWhatIsStored) {
  for (const bool bfloat16_dot : {false, true}) {
    EXPECT_EQ(AutoFormat(DType::kFloat32, bfloat16_dot), "float32");
    EXPECT_EQ(AutoFormat(DType::kBfloat16, bfloat16_dot), "bfloat16");
    EXPECT_EQ(AutoFormat(DType::kInt8, bfloat16_dot), "int8");
  }
}

TEST(ChooseWeightFormatTest, Float16IsRoundedOnlyWhereThatIsFaster) {
  EXPECT_EQ(AutoFormat(DType::kFloat16, /*bfloat16_dot=*/true), "bfloat16");
  EXPECT_EQ(AutoFormat(DType::kFloat16, /*bfloat16_dot=*/false), "float32");
}

TEST(ChooseWeightFormatTest, ANamedFormatWins) {
  const RandomModel model = MakeRandomModel(SmallConfig(), 1, DType::kInt8);
  EXPECT_EQ(ChooseWeightFormat("float32", model.config, model.weights, true), "float32");
}

// The fingerprint of the model in `directory`; empty, and the test failed, where it has none.
std::string FingerprintOf(const std::string& directory,
                          const ModelOptions& options = kSmallOptions) {
  const auto fingerprint = [&]() -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(const StoredModel model, ReadModel(directory));
    ASSIGN_OR_RETURN(const std::unique_ptr<Executor> executor, CreateExecutor(model, options));
    return Fingerprint(model, *executor);
  }();
  EXPECT_OK(fingerprint);
  return fingerprint.value_or("");
}

TEST(FingerprintTest, ItNamesWeightsConfigurationAndNumerics) {
  const TemporaryDirectory root;
  WriteModel(root, "a");
  const std::string fingerprint = FingerprintOf(root.path() + "/a");
  EXPECT_EQ(fingerprint.size(), 32u);

  WriteModel(root, "same");
  EXPECT_EQ(FingerprintOf(root.path() + "/same"), fingerprint);
  WriteModel(root, "weights", "{}", /*seed=*/2);
  EXPECT_NE(FingerprintOf(root.path() + "/weights"), fingerprint);
  WriteModel(root, "config", R"({"norm_epsilon": 0.01})");
  EXPECT_NE(FingerprintOf(root.path() + "/config"), fingerprint);
  ModelOptions bfloat16 = kSmallOptions;
  bfloat16.weight_format = "bfloat16";
  EXPECT_NE(FingerprintOf(root.path() + "/a", bfloat16), fingerprint);
}

TEST(FingerprintTest, TheLayoutOfTheConfigurationsTextDoesNotCount) {
  const TemporaryDirectory root;
  WriteModel(root, "a");
  const std::string fingerprint = FingerprintOf(root.path() + "/a");
  root.Write("a/config.json", SmallConfigText() + "\n\n");
  EXPECT_EQ(FingerprintOf(root.path() + "/a"), fingerprint);
}

TEST(CreateExecutorTest, ADeviceThatIsNotBuiltInIsNamed) {
  const TemporaryDirectory root;
  WriteModel(root, "a");
  ASSERT_OK_AND_ASSIGN(const StoredModel model, ReadModel(root.path() + "/a"));
  ModelOptions options = kSmallOptions;
  options.device = "cuda:1";
  EXPECT_THAT(CreateExecutor(model, options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "device is \"cuda:1\", which this program was built without; expected auto "
                       "or cpu"));
}

TEST(WarmUpTest, AFirstStepLeavesNoSlotBehind) {
  const TemporaryDirectory root;
  WriteModel(root, "a", R"({"conditions": [{"name": "class", "values": 3}]})");
  ASSERT_OK_AND_ASSIGN(const StoredModel model, ReadModel(root.path() + "/a"));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Executor> executor,
                       CreateExecutor(model, kSmallOptions));
  EXPECT_OK(WarmUp(*executor));
  EXPECT_EQ(executor->cache_usage().slots_in_use, 0);
}

TEST(ReadModelTest, WhatIsWrongIsNamedWithItsFile) {
  const TemporaryDirectory root;
  WriteModel(root, "a");
  root.Write("a/config.json", SmallConfigText(R"({"n_head": 0})"));
  EXPECT_THAT(ReadModel(root.path() + "/a"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(root.path() + "/a/config.json"), HasSubstr("n_head"))));
  root.Write("b/config.json", SmallConfigText());
  EXPECT_THAT(ReadModel(root.path() + "/b"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(root.path() + "/b")));
}

}  // namespace
}  // namespace strided
