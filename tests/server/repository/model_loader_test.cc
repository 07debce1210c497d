#include "server/repository/model_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/repository/model_directory.h"
#include "tests/server/scheduling/fake_executor.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const ModelOptions kSmallOptions = {.threads = 1, .cache_bytes = 1 << 20, .max_sequences = 2};

// The fingerprint of the model in `directory`; empty, and the test failed, where it has none.
std::string FingerprintOf(const std::string& directory,
                          const ModelOptions& options = kSmallOptions) {
  const auto fingerprint = [&]() -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(const ModelDirectory model, ReadModelDirectory(directory));
    ASSIGN_OR_RETURN(const PlacedModel placed, PlaceModel(model, options, Device(), 1));
    return Fingerprint(model, *placed.executor);
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

TEST(PlaceModelTest, AFormatThatTheDeviceDoesNotHaveIsNamed) {
  const TemporaryDirectory root;
  WriteModel(root, "a");
  ASSERT_OK_AND_ASSIGN(const ModelDirectory model, ReadModelDirectory(root.path() + "/a"));
  ModelOptions options = kSmallOptions;
  options.weight_format = "float8";
  EXPECT_THAT(PlaceModel(model, options, Device(), 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("float8")));
}

TEST(PlaceModelTest, CachesThatTheDeviceDoesNotHaveAreNamed) {
  const TemporaryDirectory root;
  WriteModel(root, "a");
  ASSERT_OK_AND_ASSIGN(const ModelDirectory model, ReadModelDirectory(root.path() + "/a"));
  ModelOptions options = kSmallOptions;
  for (const char* const format : {"int8", "int4"}) {
    options.cache_format = format;
    EXPECT_THAT(PlaceModel(model, options, Device(), 1),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(format)));
  }
}

TEST(PlaceModelTest, APathThatTheDeviceDoesNotHaveIsNamed) {
  const TemporaryDirectory root;
  WriteModel(root, "a");
  ASSERT_OK_AND_ASSIGN(const ModelDirectory model, ReadModelDirectory(root.path() + "/a"));
  ModelOptions options = kSmallOptions;
  for (const char* const path : {"graph", "cluster"}) {
    options.decode_path = path;
    EXPECT_THAT(
        PlaceModel(model, options, Device(), 1),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 absl::StrCat("decode_path is ", path, "; on a processor it must be auto")));
  }
}

TEST(CheckSameNumericsTest, DevicesThatComputeOtherBitsAreNotServedTogether) {
  std::vector<std::unique_ptr<Executor>> executors;
  executors.push_back(std::make_unique<FakeExecutor>(FakeExecutor::Options{.numerics = "sm_90"}));
  executors.push_back(std::make_unique<FakeExecutor>(FakeExecutor::Options{.numerics = "sm_90"}));
  EXPECT_OK(CheckSameNumerics(executors));
  executors.push_back(std::make_unique<FakeExecutor>(FakeExecutor::Options{.numerics = "sm_80"}));
  EXPECT_THAT(CheckSameNumerics(executors),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("sm_90"), HasSubstr("sm_80"))));
}

TEST(SchedulingOnTest, WhatIsNotSetSuitsTheDevice) {
  EXPECT_EQ(SchedulingOn({}, DeviceKind::kCpu).max_sequences, 64);
  EXPECT_EQ(SchedulingOn({}, DeviceKind::kCpu).prefill_rows_per_step, 64);
  EXPECT_EQ(SchedulingOn({}, DeviceKind::kCuda).max_sequences, 256);
  EXPECT_EQ(SchedulingOn({}, DeviceKind::kCuda).prefill_rows_per_step, 2048);
  ModelOptions options;
  options.max_sequences = 3;
  options.scheduling.launch_limit = absl::Milliseconds(7);
  EXPECT_EQ(SchedulingOn(options, DeviceKind::kCuda).max_sequences, 3);
  EXPECT_EQ(SchedulingOn(options, DeviceKind::kCuda).launch_limit, absl::Milliseconds(7));
}

TEST(MemoryFractionTest, ModelsGetEqualPartsOfWhatWasFreeBeforeTheFirst) {
  EXPECT_EQ(MemoryFraction(0.9, 1, 0), 0.9);
  for (const double fraction : {0.05, 0.5, 1.0}) {
    double free = 100;
    for (int index = 0; index < 3; ++index) {
      const double part = MemoryFraction(fraction, 3, index) * free;
      EXPECT_NEAR(part, 100 * fraction / 3, 1e-9) << "model " << index;
      free -= part;
    }
  }
}

TEST(WarmUpTest, AFirstStepLeavesNoSlotBehind) {
  const TemporaryDirectory root;
  WriteModel(root, "a", R"({"conditions": [{"name": "class", "values": 3}]})");
  ASSERT_OK_AND_ASSIGN(const ModelDirectory model, ReadModelDirectory(root.path() + "/a"));
  ASSERT_OK_AND_ASSIGN(const PlacedModel placed, PlaceModel(model, kSmallOptions, Device(), 1));
  EXPECT_OK(WarmUp(*placed.executor));
  EXPECT_EQ(placed.executor->cache_usage().slots_in_use, 0);
}

TEST(ReadModelTest, WhatIsWrongIsNamedWithItsFile) {
  const TemporaryDirectory root;
  WriteModel(root, "a");
  root.Write("a/config.json", SmallConfigText(R"({"n_head": 0})"));
  EXPECT_THAT(ReadModelDirectory(root.path() + "/a"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(root.path() + "/a/config.json"), HasSubstr("n_head"))));
  root.Write("b/config.json", SmallConfigText());
  EXPECT_THAT(ReadModelDirectory(root.path() + "/b"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(root.path() + "/b")));
}

}  // namespace
}  // namespace strided
