#include "engine/cuda/grid/grid_choice.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/config_text.h"

namespace strided::cuda::grid {
namespace {

// Imagenet64's layer, but for `more`.
ModelConfig ImageConfig(absl::string_view more = "") {
  return SmallConfig(absl::StrCat(
      R"({"d_model": 512, "n_head": 16, "d_key": 32, "d_value": 32, "d_ff": 2048)", more, "}"));
}

bool Has(const ModelConfig& config, WeightFormat format = WeightFormat::kBfloat16,
         bool norms = true) {
  static const float kVector = 0;
  DeviceLayer layer;  // as loaded, but for what the choice does not ask for
  layer.attn_norm.weight = &kVector;
  layer.mlp_norm.weight = norms ? &kVector : nullptr;
  const std::vector<DeviceLayer> layers(static_cast<size_t>(config.n_layer), layer);
  return HasHeads(config, format, layers);
}

TEST(HasHeadsTest, TheShapesOfTheBenchmarksHaveOne) {
  EXPECT_TRUE(Has(ImageConfig()));
  EXPECT_TRUE(Has(ImageConfig(R"(, "n_head": 8, "d_key": 64, "d_value": 64)")));
  EXPECT_TRUE(Has(ImageConfig(), WeightFormat::kInt8));
}

TEST(HasHeadsTest, OthersHaveNone) {
  EXPECT_FALSE(Has(ImageConfig(), WeightFormat::kFloat32)) << "no tensor cores";
  EXPECT_FALSE(Has(ImageConfig(R"(, "d_ff": 1024)")));
  EXPECT_FALSE(Has(
      ImageConfig(R"(, "d_model": 256, "n_head": 2, "d_key": 64, "d_value": 128, "d_ff": 512)")));
  EXPECT_FALSE(Has(ImageConfig(R"(, "n_head": 8)"))) << "values narrower than the model";
  EXPECT_FALSE(Has(ImageConfig(), WeightFormat::kBfloat16, /*norms=*/false));
}

// The benchmarks' shapes.
constexpr Widths kImage = {512, 2048, 32, 32};
constexpr Widths kText = {512, 2048, 64, 64};

bool HeadsTake(const Widths& widths, int rows, int chunks) {
  return TakesHeads({.widths = widths, .rows = rows, .chunks = chunks});
}

TEST(TakesHeadsTest, OneRowIsTakenWhileItsClustersHoldItsChunks) {
  EXPECT_TRUE(HeadsTake(kText, 1, 1));
  EXPECT_TRUE(HeadsTake(kText, 1, 32));
  EXPECT_FALSE(HeadsTake(kText, 1, 33));
  EXPECT_TRUE(HeadsTake(kImage, 1, 1));
  EXPECT_TRUE(HeadsTake(kImage, 1, 16)) << "two heads to a cluster";
  EXPECT_FALSE(HeadsTake(kImage, 1, 17));
}

TEST(TakesHeadsTest, SeveralRowsAreTakenWhileTheirSharesAreCombinedByOneWarp) {
  EXPECT_TRUE(HeadsTake(kText, 2, 32));
  EXPECT_FALSE(HeadsTake(kText, 2, 33));
  EXPECT_TRUE(HeadsTake(kImage, 3, 1));
  EXPECT_TRUE(HeadsTake(kImage, 8, 32));
  EXPECT_FALSE(HeadsTake(kImage, 9, 1)) << "more than the columns of one product";
}

TEST(RowsOfKernelTest, IsTheNextPowerOfTwo) {
  EXPECT_EQ(RowsOfKernel(1), 1);
  EXPECT_EQ(RowsOfKernel(2), 2);
  EXPECT_EQ(RowsOfKernel(3), 4);
  EXPECT_EQ(RowsOfKernel(5), 8);
}

TEST(CellsOfTest, EveryRowHasAsMany) {
  // A cell for each of 512 sums of 8 clusters and 16 warps, in two turns.
  EXPECT_EQ(CellsOf(kText, 1), 2 * 24 * 512);
  // Half a cell for each of 512 sums of 8 clusters and 16 warps, in four turns.
  EXPECT_EQ(CellsOf(kText, 2), 2 * 4 * 24 * 512 / 2);
  EXPECT_EQ(CellsOf(kText, 8), 4 * CellsOf(kText, 2));
}

}  // namespace
}  // namespace strided::cuda::grid
