// The choices of decode_product.h that are made on the host.

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "engine/cuda/kernels/decode_product.h"

namespace strided::cuda {
namespace {

constexpr int kMultiprocessors = 132;
constexpr int kMostWarps = 16;  // of a block
constexpr int kMostColumnTiles = 4;

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

// Blocks of a product that is cut into such tiles.
int BlocksOf(const ProductTile& tile, const ProductShape& shape) {
  return CeilDivide(CeilDivide(shape.outputs, 16), 1 << tile.log_output_tiles) *
         CeilDivide(shape.rows, 8 * tile.column_tiles);
}

// The warps of a tile's outputs follow from the inputs alone: the order of sums hangs on them.
TEST(ProductWarpsTest, AWarpTakesAtLeastOneGroupOf64Inputs) {
  EXPECT_EQ(ProductWarps(1), 1);
  EXPECT_EQ(ProductWarps(64), 1);
  EXPECT_EQ(ProductWarps(65), 2);
  EXPECT_EQ(ProductWarps(256), 4);
  EXPECT_EQ(ProductWarps(512), 8);
  EXPECT_EQ(ProductWarps(1024), 16);
  EXPECT_EQ(ProductWarps(65536), 16);
}

TEST(ProductTileTest, GrowsOnlyWhereBlocksOutnumberMultiprocessors) {
  for (const int outputs : {1, 16, 61, 256, 768, 2112, 4096, 50257}) {
    for (const int inputs : {5, 64, 256, 512, 1024, 4096}) {
      for (const int rows : {1, 8, 9, 17, 64, 100, 256}) {
        for (const bool normed : {false, true}) {
          SCOPED_TRACE(absl::StrCat(outputs, " x ", inputs, ", rows ", rows, ", norm ", normed));
          const ProductShape shape = {outputs, inputs, rows, normed};
          const ProductTile tile = ChooseProductTile(shape, kMultiprocessors);
          EXPECT_LE(ProductWarps(inputs) << tile.log_output_tiles, kMostWarps);
          ASSERT_TRUE(tile.column_tiles == 1 || tile.column_tiles == 2 || tile.column_tiles == 4);
          if (tile.column_tiles > 1) {
            EXPECT_GT(BlocksOf({0, tile.column_tiles / 2}, shape), 2 * kMultiprocessors);
            EXPECT_LT(tile.column_tiles / 2 * 8, rows) << "a tile without a row";
          }
          if (tile.log_output_tiles > 0) {
            EXPECT_TRUE(tile.column_tiles == kMostColumnTiles || tile.column_tiles * 8 >= rows);
            EXPECT_GT(BlocksOf({tile.log_output_tiles - 1, tile.column_tiles}, shape),
                      kMultiprocessors);
          }
        }
      }
    }
  }
}

TEST(ProductTileTest, AProductOfFewOutputsAndRowsIsSpreadAsWidelyAsCanBe) {
  const auto choose = [](int rows) {
    return ChooseProductTile({.outputs = 512, .inputs = 512, .rows = rows}, kMultiprocessors);
  };
  EXPECT_EQ(choose(1), (ProductTile{0, 1}));
  EXPECT_EQ(choose(64), (ProductTile{0, 1}));
  EXPECT_EQ(choose(128), (ProductTile{0, 2}));
}

}  // namespace
}  // namespace strided::cuda
