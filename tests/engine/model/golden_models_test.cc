// The models of tests/golden come from another implementation of the format.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "engine/model/config.h"
#include "engine/model/weights.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

TEST(GoldenModelsTest, EveryOneIsRead) {
  int models = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/golden")) {
    if (!entry.is_directory()) continue;
    ASSERT_OK_AND_ASSIGN(const ModelConfig config,
                         ModelConfig::Load(entry.path().string() + "/config.json"));
    ASSERT_OK_AND_ASSIGN(const Weights weights, Weights::Load(entry.path().string(), config));
    EXPECT_GT(weights.parameter_count(), 0);
    ++models;
  }
  EXPECT_GE(models, 40);
}

}  // namespace
}  // namespace strided
