#include "tests/testing/random_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/testing/config_text.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

std::vector<float> FirstRow(const Tensor& tensor) {
  std::vector<float> row(static_cast<size_t>(tensor.columns()));
  tensor.ReadRow(0, row);
  return row;
}

TEST(RandomModelTest, EveryDtypeHoldsNearlyTheSameNumbers) {
  const RandomModel exact = MakeRandomModel(SmallConfig(), 7);
  const std::vector<float> expected = FirstRow(exact.weights.Get("layers.1.mlp.up.weight"));
  for (const DType dtype : {DType::kFloat16, DType::kBfloat16, DType::kInt8}) {
    const RandomModel model = MakeRandomModel(SmallConfig(), 7, dtype);
    EXPECT_EQ(model.weights.Get("layers.1.mlp.up.weight").dtype, dtype);
    const std::vector<float> row = FirstRow(model.weights.Get("layers.1.mlp.up.weight"));
    for (size_t i = 0; i < row.size(); ++i) {
      EXPECT_NEAR(row[i], expected[i], 0.005) << DTypeName(dtype) << " element " << i;
    }
  }
}

TEST(RandomModelTest, TheSeedDecides) {
  EXPECT_EQ(MakeRandomModel(SmallConfig(), 1).weights.fingerprint(),
            MakeRandomModel(SmallConfig(), 1).weights.fingerprint());
  EXPECT_NE(MakeRandomModel(SmallConfig(), 1).weights.fingerprint(),
            MakeRandomModel(SmallConfig(), 2).weights.fingerprint());
}

TEST(RandomModelTest, BiasesCanBeLeftOut) {
  const RandomModel model = MakeRandomModel(SmallConfig(), 1, DType::kFloat32, Biases::kNone);
  EXPECT_EQ(model.weights.Find("layers.0.attn.q.bias"), nullptr);
  EXPECT_NE(model.weights.Find("layers.0.attn_norm.bias"), nullptr);
  EXPECT_NE(model.weights.Find("head.bias"), nullptr);
}

TEST(RandomModelTest, TheDirectoryGoesWithTheModel) {
  std::string path;
  {
    const RandomModel model = MakeRandomModel(SmallConfig(), 1);
    path = model.directory.path();
    EXPECT_TRUE(std::filesystem::exists(path + "/config.json"));
    EXPECT_TRUE(std::filesystem::exists(path + "/model.safetensors"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace strided
