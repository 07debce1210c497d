#include "client/cpp/output/preview.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "client/cpp/output/half_blocks.h"
#include "tests/client/cpp/output/screen.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

// A preview on a screen of `columns`, at a time that moves with every look.
struct Fixture {
  explicit Fixture(int columns) {
    terminal.interactive = true;
    terminal.colours = Colours::k24Bit;
    terminal.columns = [columns] { return columns; };
    preview.emplace(&lines, terminal);
  }

  absl::Time now = absl::UnixEpoch();
  std::string out;
  StringSink sink{&out};
  LiveLines lines{&sink, [this] { return now += absl::Seconds(1); }};
  Terminal terminal;
  std::optional<Preview> preview;
};

// A grey image of 2 columns whose pixels are 1, 2, 3, ..., of which `known` have arrived.
Canvas CanvasOf(int height, size_t known) {
  Canvas canvas = {.image = BlackImage(height, 2, 1), .known = known};
  uint8_t value = 0;
  for (uint8_t& sample : std::span(canvas.image.samples).first(known)) sample = ++value;
  return canvas;
}

std::string LineOf(const Canvas& canvas, int line) {
  return HalfBlockLine(canvas.image, line, 1, Colours::k24Bit);
}

TEST(PreviewTest, AnImageGrowsRowByRow) {
  Fixture fixture(80);
  for (size_t known = 0; known <= 8; ++known) {
    EXPECT_OK(fixture.preview->Update(std::vector<Canvas>{CanvasOf(4, known)}));
    const Canvas canvas = CanvasOf(4, known);
    const std::string below = known > 4 ? LineOf(canvas, 1) : "";
    // A line that is whole ends in a newline; one that is not is still live.
    const std::string expected = absl::StrCat(
        known > 0 ? LineOf(canvas, 0) : "", known >= 4 ? "\n" : "", below, known == 8 ? "\n" : "");
    EXPECT_EQ(ScreenText(fixture.out), expected) << known << " pixels";
  }
}

TEST(PreviewTest, ALineWaitsForTheSlowestSample) {
  Fixture fixture(80);
  const std::vector<Canvas> canvases = {CanvasOf(2, 4), CanvasOf(2, 1)};
  EXPECT_OK(fixture.preview->Update(canvases));
  const std::string both = LineOf(canvases[0], 0) + " " + LineOf(canvases[1], 0);
  EXPECT_EQ(ScreenText(fixture.out), both);  // still live: no newline
  const std::vector<Canvas> whole = {CanvasOf(2, 4), CanvasOf(2, 4)};
  EXPECT_OK(fixture.preview->Update(whole));
  EXPECT_EQ(ScreenText(fixture.out), LineOf(whole[0], 0) + " " + LineOf(whole[1], 0) + "\n");
}

TEST(PreviewTest, OnlyAsManySamplesAsFitAreShown) {
  Fixture fixture(/*columns=*/6);  // two images of 2 columns, a gap, a free column
  const std::vector<Canvas> canvases = {CanvasOf(2, 4), CanvasOf(2, 4), CanvasOf(2, 0)};
  EXPECT_OK(fixture.preview->Update(canvases));
  EXPECT_EQ(ScreenText(fixture.out), LineOf(canvases[0], 0) + " " + LineOf(canvases[1], 0) + "\n");
}

TEST(PreviewTest, WhatIsIncompleteAtTheEndIsPrinted) {
  Fixture fixture(80);
  const std::vector<Canvas> canvases = {CanvasOf(6, 5)};
  EXPECT_OK(fixture.preview->Update(canvases));
  EXPECT_OK(fixture.preview->End(canvases));
  EXPECT_EQ(ScreenText(fixture.out), LineOf(canvases[0], 0) + "\n" + LineOf(canvases[0], 1) + "\n");
}

TEST(PreviewTest, EndAfterTheLastLineAddsNothing) {
  Fixture fixture(80);
  const std::vector<Canvas> canvases = {CanvasOf(3, 6)};
  EXPECT_OK(fixture.preview->Update(canvases));
  const std::string before = fixture.out;
  EXPECT_OK(fixture.preview->End(canvases));
  EXPECT_EQ(fixture.out, before);
}

}  // namespace
}  // namespace strided::client
