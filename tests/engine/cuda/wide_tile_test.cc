#include "engine/cuda/kernels/wide_tile.h"

#include <gtest/gtest.h>

namespace strided::cuda {
namespace {

constexpr int kMultiprocessors = 132;

TEST(WideTileTest, TilesCoverTheProduct) {
  EXPECT_EQ(TilesOf(WideTile::kMedium, 128, 128), 1);
  EXPECT_EQ(TilesOf(WideTile::kMedium, 129, 128), 2);
  EXPECT_EQ(TilesOf(WideTile::kSmall, 1, 1), 1);
  EXPECT_EQ(TilesOf(WideTile::kLarge, 2048, 12288), 8 * 96);
}

TEST(WideTileTest, FewRowsTakeSmallTilesSoThatMoreMultiprocessorsWork) {
  EXPECT_EQ(ChooseWideTile(512, 64, kMultiprocessors), WideTile::kSmall);
  EXPECT_EQ(ChooseWideTile(256, 256, kMultiprocessors), WideTile::kSmall);
}

TEST(WideTileTest, ManyRowsTakeTilesOfWhichTwoShareAMultiprocessor) {
  EXPECT_EQ(ChooseWideTile(2048, 12288, kMultiprocessors), WideTile::kMedium);
  EXPECT_EQ(ChooseWideTile(2048, 65536, kMultiprocessors), WideTile::kMedium);
}

TEST(WideTileTest, ManyRowsAreStreamedWhereTheirTilesKeepAllMultiprocessorsAtWork) {
  const bool may_stream = true;
  EXPECT_EQ(ChooseWideTile(1536, 12288, kMultiprocessors, may_stream), WideTile::kStreamed);
  EXPECT_EQ(ChooseWideTile(512, 12288, kMultiprocessors, may_stream), WideTile::kStreamed);
  EXPECT_EQ(ChooseWideTile(256, 3072, kMultiprocessors, may_stream), WideTile::kSmall);
}

TEST(WideTileTest, AWaveThatIsNotFullCounts) {
  // 4 x 18 blocks of 128 x 128 leave half of the multiprocessors without work; 8 x 36 of 64 x 64
  // end before them.
  EXPECT_EQ(ChooseWideTile(512, 2304, kMultiprocessors), WideTile::kSmall);
  EXPECT_EQ(ChooseWideTile(512, 8192, kMultiprocessors), WideTile::kMedium);
}

}  // namespace
}  // namespace strided::cuda
