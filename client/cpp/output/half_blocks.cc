#include "client/cpp/output/half_blocks.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace strided::client {
namespace {

using Rgb = std::array<int, 3>;

constexpr absl::string_view kUpperHalfBlock = "\xe2\x96\x80";
constexpr absl::string_view kReset = "\x1b[0m";
constexpr absl::string_view kDefaultBackground = "49";

// The average of the pixels that the dot in column `x` and row `y` of dots stands for.
Rgb DotColour(const Image& image, int x, int y, int pixels_per_dot) {
  const int bottom = std::min(image.height, (y + 1) * pixels_per_dot);
  const int right = std::min(image.width, (x + 1) * pixels_per_dot);
  const bool grey = image.channels < 3;
  Rgb sum = {};
  int count = 0;
  for (int row = y * pixels_per_dot; row < bottom; ++row) {
    for (int column = x * pixels_per_dot; column < right; ++column) {
      const int64_t pixel = (int64_t{row} * image.width + column) * image.channels;
      for (int c = 0; c < 3; ++c) {
        sum[static_cast<size_t>(c)] += image.samples[static_cast<size_t>(pixel + (grey ? 0 : c))];
      }
      ++count;
    }
  }
  for (int& channel : sum) channel /= count;
  return sum;
}

// The nearest of xterm's 6 x 6 x 6 colour cube (levels 0, 95, 135, ..., 255) or its 24 greys.
int PaletteIndex(const Rgb& colour) {
  const auto [low, high] = std::minmax_element(colour.begin(), colour.end());
  if (*high - *low < 12 && *low >= 4 && *high < 247) return 232 + (*low - 4) / 10;
  int index = 0;
  for (const int channel : colour) {
    const int level = channel < 48 ? 0 : channel < 115 ? 1 : (channel - 35) / 40;
    index = index * 6 + level;
  }
  return 16 + index;
}

// The parameters of the escape sequence; `layer` is "38" for the front, "48" for the back.
std::string ColourCode(absl::string_view layer, const Rgb& colour, Colours colours) {
  if (colours == Colours::k256) return absl::StrCat(layer, ";5;", PaletteIndex(colour));
  return absl::StrCat(layer, ";2;", colour[0], ";", colour[1], ";", colour[2]);
}

}  // namespace

int PixelsPerDot(int width, int columns) { return (width + columns - 1) / columns; }

int TextLines(int height, int pixels_per_dot) {
  return (height + 2 * pixels_per_dot - 1) / (2 * pixels_per_dot);
}

std::string HalfBlockLine(const Image& image, int line, int pixels_per_dot, Colours colours) {
  const int dots = (image.width + pixels_per_dot - 1) / pixels_per_dot;
  const bool has_lower = (2 * line + 1) * pixels_per_dot < image.height;
  std::string text;
  std::string last_codes;
  for (int x = 0; x < dots; ++x) {
    const std::string codes = absl::StrCat(
        ColourCode("38", DotColour(image, x, 2 * line, pixels_per_dot), colours), ";",
        has_lower ? ColourCode("48", DotColour(image, x, 2 * line + 1, pixels_per_dot), colours)
                  : std::string(kDefaultBackground));
    if (codes != last_codes) absl::StrAppend(&text, "\x1b[", codes, "m");
    last_codes = codes;
    absl::StrAppend(&text, kUpperHalfBlock);
  }
  return absl::StrCat(text, kReset);
}

}  // namespace strided::client
