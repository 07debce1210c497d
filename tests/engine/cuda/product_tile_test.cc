// The choices of decode_product.h that are made on the host.

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "engine/cuda/kernels/block_spread.h"
#include "engine/cuda/kernels/decode_product.h"
#include "engine/cuda/kernels/decode_product_known.h"
#include "engine/cuda/kernels/decode_product_warpgroup.h"

namespace strided::cuda {
namespace {

constexpr int kMultiprocessors = 132;
constexpr int kMostWarps = 16;  // of a block
constexpr int kMostColumnTiles = 4;
constexpr int kMostWarpTiles = 4;  // of outputs

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

// Blocks of a product that is cut into such tiles.
int BlocksOf(const ProductTile& tile, const ProductShape& shape) {
  return CeilDivide(CeilDivide(shape.outputs, 16), 1 << tile.log_output_tiles) *
         CeilDivide(shape.rows, 8 * tile.column_tiles);
}

// The most blocks that a tile leaves as they are.
int EnoughFor(const ProductTile& tile, const ProductShape& shape) {
  const bool norms_many = shape.normed && tile.column_tiles == kMostColumnTiles;
  return norms_many ? kMultiprocessors : 2 * kMultiprocessors;
}

// Of normed rows: whether blocks have two tiles of columns, and each doubling of outputs was
// needed.
void ExpectPromiseOfNormed(const ProductShape& shape, const ProductTile& tile) {
  EXPECT_EQ(tile.column_tiles, 2);
  EXPECT_EQ(tile.warp_tiles, 1 << tile.log_output_tiles);
  if (tile.warp_tiles > 1) {
    EXPECT_GT(BlocksOf({tile.log_output_tiles - 1, 2}, shape), kMultiprocessors);
  }
  if (BlocksOf(tile, shape) > kMultiprocessors) {
    EXPECT_EQ(tile.warp_tiles, kMostWarpTiles);
  }
}

// Whether each doubling was needed, columns first, and none was left out.
void ExpectPromise(const ProductShape& shape) {
  SCOPED_TRACE(absl::StrCat(shape.outputs, " x ", shape.inputs, ", rows ", shape.rows,
                            shape.normed ? ", normed" : ""));
  const ProductTile tile = ChooseProductTile(shape, kMultiprocessors);
  const bool few_blocks = BlocksOf({2, 2}, shape) <= 2 * kMultiprocessors;
  const bool many_inputs = shape.inputs > 256 && shape.inputs <= 1024 && shape.inputs % 4 == 0;
  if (shape.normed && many_inputs && shape.rows > 8 && few_blocks) {
    return ExpectPromiseOfNormed(shape, tile);
  }
  EXPECT_EQ(tile.warp_tiles, 1);
  const int warps = ProductWarps(shape.inputs);
  EXPECT_LE(warps << tile.log_output_tiles, kMostWarps);
  ASSERT_TRUE(tile.column_tiles == 1 || tile.column_tiles == 2 ||
              tile.column_tiles == kMostColumnTiles);
  if (tile.column_tiles > 1) {
    const ProductTile before = {0, tile.column_tiles / 2};
    EXPECT_GT(BlocksOf(before, shape), 2 * kMultiprocessors);
    EXPECT_LT(before.column_tiles * 8, shape.rows) << "columns without a row";
  }
  if (tile.log_output_tiles > 0) {
    const ProductTile before = {tile.log_output_tiles - 1, tile.column_tiles};
    EXPECT_GT(BlocksOf(before, shape), EnoughFor(tile, shape));
  }
  if (BlocksOf({0, tile.column_tiles}, shape) > 2 * kMultiprocessors) {
    EXPECT_TRUE(tile.column_tiles == kMostColumnTiles || tile.column_tiles * 8 >= shape.rows);
  }
  if (BlocksOf(tile, shape) > EnoughFor(tile, shape)) {
    EXPECT_TRUE(tile.log_output_tiles == 2 || warps << (tile.log_output_tiles + 1) > kMostWarps);
  }
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

TEST(ProductTileTest, GrowsOnlyAndAlwaysWhereThereAreTooManyBlocks) {
  for (const int outputs : {1, 16, 61, 256, 768, 2112, 4096, 50257}) {
    for (const int inputs : {5, 64, 256, 512, 1024, 4096}) {
      for (const int rows : {1, 8, 9, 17, 64, 100, 256}) {
        ExpectPromise({outputs, inputs, rows, /*normed=*/false});
        ExpectPromise({outputs, inputs, rows, /*normed=*/true});
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

TEST(ProductTileTest, MoreNormedRowsTakeMoreOutputsToAWarp) {
  const auto choose = [](int rows) {
    return ChooseProductTile({.outputs = 1536, .inputs = 512, .rows = rows, .normed = true},
                             kMultiprocessors);
  };
  EXPECT_EQ(choose(8), (ProductTile{0, 1, 1}));
  EXPECT_EQ(choose(16), (ProductTile{0, 2, 1}));
  EXPECT_EQ(choose(32), (ProductTile{1, 2, 2}));
  EXPECT_EQ(choose(64), (ProductTile{2, 2, 4}));
}

// As few tiles to a block as leave a multiprocessor one.
TEST(KnownTilesTest, GrowWithTheRowsUpToFour) {
  EXPECT_EQ(ChooseKnownTiles(1536, 16, kMultiprocessors), 1);
  EXPECT_EQ(ChooseKnownTiles(1536, 32, kMultiprocessors), 2);
  EXPECT_EQ(ChooseKnownTiles(1536, 64, kMultiprocessors), 4);
  EXPECT_EQ(ChooseKnownTiles(1536, 191, kMultiprocessors), 4);
  EXPECT_EQ(ChooseKnownTiles(2048, 16, kMultiprocessors), 1);
  EXPECT_EQ(ChooseKnownTiles(2048, 17, kMultiprocessors), 2);
}

TEST(WarpgroupColumnsTest, ManyInputsOfSomeRowsLeaveAMultiprocessorOneBlock) {
  EXPECT_EQ(FewestWarpgroupRows(512), 129);
  EXPECT_EQ(FewestWarpgroupRows(2048), 64);
  EXPECT_EQ(ChooseWarpgroupColumns(ProductOutput::kResidual, 2048, 64), 32);
  EXPECT_EQ(ChooseWarpgroupColumns(ProductOutput::kResidual, 2048, 128), 32);
  EXPECT_EQ(ChooseWarpgroupColumns(ProductOutput::kResidual, 2048, 129), 64);
}

TEST(WarpgroupColumnsTest, ManyRowsAreRead64AtATimeUnlessOutputsAreFew) {
  for (const int rows : {129, 256, 1000}) {
    EXPECT_EQ(ChooseWarpgroupColumns(ProductOutput::kQueryKeyValue, 512, rows), 64);
    EXPECT_EQ(ChooseWarpgroupColumns(ProductOutput::kActivated, 512, rows), 64);
    EXPECT_EQ(ChooseWarpgroupColumns(ProductOutput::kResidual, 512, rows), 16);
  }
}

constexpr int kMostBytes = 227 << 10;      // of shared memory, of a block
constexpr int kOfAll = kMostBytes + 1024;  // of a multiprocessor
constexpr int kOfBlock = 1024;             // beside what a block asks for

TEST(BlockSpreadTest, SoManyFitAndNotOneMore) {
  for (const int count : {1, 2, 3, 4, 7}) {
    const int bytes = BytesOfAtMost(count, kMostBytes) + kOfBlock;
    EXPECT_LE(count * bytes, kOfAll) << count;
    EXPECT_GT((count + 1) * bytes, kOfAll) << count;
    EXPECT_EQ(bytes % 128, 0);
  }
}

TEST(KnownSharedBytesTest, ABlockToEachMultiprocessorHasItToItself) {
  EXPECT_EQ(KnownSharedBytes(50000, 96, kMultiprocessors, kMostBytes),
            BytesOfAtMost(1, kMostBytes));
  EXPECT_EQ(KnownSharedBytes(50000, 132, kMultiprocessors, kMostBytes),
            BytesOfAtMost(1, kMostBytes));
  EXPECT_EQ(KnownSharedBytes(120000, 96, kMultiprocessors, kMostBytes), 120000);
}

TEST(KnownSharedBytesTest, MoreBlocksThanMultiprocessorsAskForWhatTheyUse) {
  EXPECT_EQ(KnownSharedBytes(50000, 133, kMultiprocessors, kMostBytes), 50000);
}

}  // namespace
}  // namespace strided::cuda
