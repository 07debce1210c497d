#include "engine/cuda/grid/grid_choice.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/config_text.h"

namespace strided::cuda::grid {
namespace {

constexpr int kMultiprocessors = 132;

// Imagenet64's layer, but for `more`.
ModelConfig ImageConfig(absl::string_view more = "") {
  return SmallConfig(absl::StrCat(
      R"({"d_model": 512, "n_head": 16, "d_key": 32, "d_value": 32, "d_ff": 2048)", more, "}"));
}

bool Has(const ModelConfig& config, WeightFormat format = WeightFormat::kBfloat16,
         bool norms = true, int multiprocessors = kMultiprocessors) {
  static const float kVector = 0;
  DeviceLayer layer;  // as loaded, but for what the choice does not ask for
  layer.attn_norm.weight = &kVector;
  layer.mlp_norm.weight = norms ? &kVector : nullptr;
  const std::vector<DeviceLayer> layers(static_cast<size_t>(config.n_layer), layer);
  return HasGridKernel(config, format, layers, multiprocessors);
}

TEST(HasGridKernelTest, TheShapesOfTheBenchmarksHaveOne) {
  EXPECT_TRUE(Has(ImageConfig()));
  EXPECT_TRUE(Has(ImageConfig(R"(, "n_head": 8, "d_key": 64, "d_value": 64)")));
  EXPECT_TRUE(Has(
      ImageConfig(R"(, "d_model": 256, "n_head": 2, "d_key": 64, "d_value": 128, "d_ff": 512)")));
  EXPECT_TRUE(Has(ImageConfig(), WeightFormat::kInt8));
}

TEST(HasGridKernelTest, OthersHaveNone) {
  EXPECT_FALSE(Has(ImageConfig(), WeightFormat::kFloat32)) << "no tensor cores";
  EXPECT_FALSE(Has(ImageConfig(R"(, "d_ff": 1024)")));
  EXPECT_FALSE(Has(ImageConfig(R"(, "n_head": 8)"))) << "values narrower than the model";
  EXPECT_FALSE(Has(ImageConfig(), WeightFormat::kBfloat16, /*norms=*/false));
  EXPECT_FALSE(Has(ImageConfig(), WeightFormat::kBfloat16, /*norms=*/true, 108))
      << "a role of every layer needs a block";
}

// The benchmarks' shapes.
constexpr Widths kImage = {512, 2048, 32, 32};
constexpr Widths kText = {512, 2048, 64, 64};
constexpr Widths kCifar = {256, 512, 64, 128};

bool Takes(const Widths& widths, int rows, int chunks) {
  return TakesGrid({.widths = widths, .rows = rows, .chunks = chunks}, kMultiprocessors);
}

TEST(TakesGridTest, FewRowsAreTakenWhileFewBlocksHaveSeveralChunks) {
  EXPECT_TRUE(Takes(kCifar, 1, 1));
  EXPECT_TRUE(Takes(kCifar, 8, 1));
  EXPECT_FALSE(Takes(kCifar, 9, 1)) << "more than the columns of one product";
  EXPECT_TRUE(Takes(kText, 1, 25));
  EXPECT_FALSE(Takes(kText, 1, 29)) << "232 chunks for 132 blocks";
  EXPECT_FALSE(Takes(kText, 2, 17));
  EXPECT_FALSE(Takes(kCifar, 1, 33)) << "more shares than are combined";
}

TEST(TakesGridTest, WhatTheKernelsOfHalvesTakeIsLeftToThem) {
  EXPECT_FALSE(Takes(kImage, 1, 1));
  EXPECT_FALSE(Takes(kImage, 4, 1));
  EXPECT_TRUE(Takes(kImage, 8, 1));
  EXPECT_TRUE(Takes(kImage, 1, 2));
  EXPECT_TRUE(Takes(kText, 1, 1));
}

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
  EXPECT_FALSE(HeadsTake(kCifar, 1, 1)) << "values wider than a group";
}

TEST(TakesHeadsTest, SeveralRowsAreTakenWhileTheirSharesAreCombinedByOneWarp) {
  EXPECT_TRUE(HeadsTake(kText, 2, 32));
  EXPECT_FALSE(HeadsTake(kText, 2, 33));
  EXPECT_TRUE(HeadsTake(kImage, 3, 1));
  EXPECT_TRUE(HeadsTake(kImage, 8, 32));
  EXPECT_FALSE(HeadsTake(kImage, 9, 1)) << "more than the columns of one product";
  EXPECT_FALSE(HeadsTake(kCifar, 2, 1));
}

TEST(RowsOfKernelTest, IsTheNextPowerOfTwo) {
  EXPECT_EQ(RowsOfKernel(1), 1);
  EXPECT_EQ(RowsOfKernel(2), 2);
  EXPECT_EQ(RowsOfKernel(3), 4);
  EXPECT_EQ(RowsOfKernel(5), 8);
}

TEST(RowCellsOfTest, EveryRowHasAsMany) {
  // Half a cell for each of 512 sums of 8 clusters and 16 warps, in four turns.
  EXPECT_EQ(RowCellsOf(kText, 2), 2 * 4 * 24 * 512 / 2);
  EXPECT_EQ(RowCellsOf(kText, 8), 4 * RowCellsOf(kText, 2));
}

TEST(RolesOfTest, EveryTileHasATeamAndBlocksAreNoMoreThanThatNeeds) {
  // 96 tiles of qkv and 128 of up, two a block; 32 of out, two a block; 32 of down.
  EXPECT_EQ(RolesOf(Sizes<512, 2048, 32, 32>()), (BlockRoles{64, 16, 32}));
  EXPECT_EQ(RolesOf(Sizes<512, 2048, 64, 64>()), (BlockRoles{64, 16, 32}));
  // 32 tiles of qkv and of up, four a block; 16 of out, four a block; 16 of down, two a block.
  EXPECT_EQ(RolesOf(Sizes<256, 512, 64, 128>()), (BlockRoles{8, 4, 8}));
}

}  // namespace
}  // namespace strided::cuda::grid
