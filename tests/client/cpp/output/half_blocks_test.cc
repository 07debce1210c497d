#include "client/cpp/output/half_blocks.h"

#include <gtest/gtest.h>

namespace strided::client {
namespace {

constexpr char kBlock[] = "\xe2\x96\x80";

Image Of(int height, int width, int channels, std::vector<uint8_t> samples) {
  return {height, width, channels, std::move(samples)};
}

TEST(HalfBlocksTest, ACellIsTwoPixelsOneAboveTheOther) {
  const Image image = Of(2, 1, 3, {1, 2, 3, 40, 50, 60});
  EXPECT_EQ(HalfBlockLine(image, 0, 1, Colours::k24Bit),
            std::string("\x1b[38;2;1;2;3;48;2;40;50;60m") + kBlock + "\x1b[0m");
}

TEST(HalfBlocksTest, EqualNeighboursShareTheirEscapeSequence) {
  const Image image = Of(2, 2, 1, {9, 9, 8, 8});
  EXPECT_EQ(HalfBlockLine(image, 0, 1, Colours::k24Bit),
            std::string("\x1b[38;2;9;9;9;48;2;8;8;8m") + kBlock + kBlock + "\x1b[0m");
}

TEST(HalfBlocksTest, AnOddLastRowHasTheTerminalsBackground) {
  const Image image = Of(3, 1, 1, {1, 2, 3});
  EXPECT_EQ(TextLines(3, 1), 2);
  EXPECT_EQ(HalfBlockLine(image, 1, 1, Colours::k24Bit),
            std::string("\x1b[38;2;3;3;3;49m") + kBlock + "\x1b[0m");
}

TEST(HalfBlocksTest, AnImageTooWideIsAveraged) {
  EXPECT_EQ(PixelsPerDot(32, 80), 1);
  EXPECT_EQ(PixelsPerDot(81, 80), 2);
  EXPECT_EQ(PixelsPerDot(64, 16), 4);
  const Image image = Of(4, 2, 1, {10, 20, 30, 40, 0, 0, 0, 8});
  EXPECT_EQ(TextLines(4, 2), 1);
  EXPECT_EQ(HalfBlockLine(image, 0, 2, Colours::k24Bit),
            std::string("\x1b[38;2;25;25;25;48;2;2;2;2m") + kBlock + "\x1b[0m");
}

TEST(HalfBlocksTest, APaletteIsUsedWhereThereAreNo24Bits) {
  const Image image = Of(2, 1, 3, {255, 0, 0, 128, 128, 128});
  EXPECT_EQ(HalfBlockLine(image, 0, 1, Colours::k256),
            std::string("\x1b[38;5;196;48;5;244m") + kBlock + "\x1b[0m");
  const Image ends = Of(2, 1, 1, {0, 255});
  EXPECT_EQ(HalfBlockLine(ends, 0, 1, Colours::k256),
            std::string("\x1b[38;5;16;48;5;231m") + kBlock + "\x1b[0m");
}

}  // namespace
}  // namespace strided::client
