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
int BlocksOf(const ProductTile& tile, int outputs, int rows) {
  return CeilDivide(CeilDivide(outputs, 16), tile.output_tiles) *
         CeilDivide(rows, 8 * tile.column_tiles);
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
        SCOPED_TRACE(absl::StrCat(outputs, " x ", inputs, ", rows ", rows));
        const ProductTile tile = ChooseProductTile(outputs, inputs, rows, kMultiprocessors);
        EXPECT_LE(tile.output_tiles * ProductWarps(inputs), kMostWarps);
        ASSERT_TRUE(tile.column_tiles == 1 || tile.column_tiles == 2 || tile.column_tiles == 4);
        const bool no_more_columns =
            tile.column_tiles == kMostColumnTiles || tile.column_tiles * 8 >= rows;
        if (tile.column_tiles > 1) {
          EXPECT_GT(BlocksOf({1, tile.column_tiles / 2}, outputs, rows), kMultiprocessors);
          EXPECT_LT(tile.column_tiles / 2 * 8, rows) << "a tile without a row";
        }
        if (tile.output_tiles > 1) {
          EXPECT_TRUE(no_more_columns);
          EXPECT_GT(BlocksOf({tile.output_tiles / 2, tile.column_tiles}, outputs, rows),
                    kMultiprocessors);
        }
        if (BlocksOf(tile, outputs, rows) > kMultiprocessors) {
          EXPECT_TRUE(no_more_columns);
        }
      }
    }
  }
}

TEST(ProductTileTest, AProductOfFewOutputsAndRowsIsSpreadAsWidelyAsCanBe) {
  EXPECT_EQ(ChooseProductTile(512, 512, 1, kMultiprocessors), (ProductTile{1, 1}));
  EXPECT_EQ(ChooseProductTile(512, 512, 32, kMultiprocessors), (ProductTile{1, 1}));
  EXPECT_EQ(ChooseProductTile(512, 512, 64, kMultiprocessors), (ProductTile{1, 2}));
}

}  // namespace
}  // namespace strided::cuda
