#include "client/cpp/output/preview.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cpp/output/half_blocks.h"

namespace strided::client {
namespace {

// Whole lines of text that `canvas` has all pixels of.
int KnownLines(const Canvas& canvas, int pixels_per_dot) {
  const Image& image = canvas.image;
  const size_t row_samples = static_cast<size_t>(image.width) * static_cast<size_t>(image.channels);
  const int rows = static_cast<int>(canvas.known / row_samples);
  if (rows >= image.height) return TextLines(image.height, pixels_per_dot);
  return rows / (2 * pixels_per_dot);
}

// Whether something of line `line` is known.
bool Begun(const Canvas& canvas, int line, int pixels_per_dot) {
  const size_t line_samples = static_cast<size_t>(canvas.image.width) *
                              static_cast<size_t>(canvas.image.channels) *
                              static_cast<size_t>(2 * pixels_per_dot);
  return canvas.known > static_cast<size_t>(line) * line_samples &&
         line < TextLines(canvas.image.height, pixels_per_dot);
}

}  // namespace

absl::Status Preview::Update(std::span<const Canvas> canvases) {
  const Layout layout = Arrange(canvases);
  const std::span<const Canvas> shown = canvases.first(layout.shown);
  int known = TextLines(shown.front().image.height, layout.pixels_per_dot);
  bool begun = false;
  for (const Canvas& canvas : shown) {
    known = std::min(known, KnownLines(canvas, layout.pixels_per_dot));
  }
  for (const Canvas& canvas : shown) begun |= Begun(canvas, known, layout.pixels_per_dot);
  for (; printed_ < known; ++printed_) {
    // Its place is taken by the printed line; left standing, it would be drawn once more below.
    if (absl::Status status = lines_->Replace(LiveLines::kPicture, Line(shown, layout, printed_));
        !status.ok()) {
      return status;
    }
  }
  return lines_->Set(LiveLines::kPicture, begun ? Line(shown, layout, known) : "");
}

absl::Status Preview::End(std::span<const Canvas> canvases) {
  const Layout layout = Arrange(canvases);
  const std::span<const Canvas> shown = canvases.first(layout.shown);
  const auto any_begun = [&shown, &layout](int line) {
    return std::any_of(shown.begin(), shown.end(), [line, &layout](const Canvas& canvas) {
      return Begun(canvas, line, layout.pixels_per_dot);
    });
  };
  for (; any_begun(printed_); ++printed_) {
    absl::Status status = lines_->Replace(LiveLines::kPicture, Line(shown, layout, printed_));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

Preview::Layout Preview::Arrange(std::span<const Canvas> canvases) const {
  const int width = canvases.front().image.width;
  // One column stays free: some terminals wrap when the last one is written.
  const int columns = std::max(1, columns_ - 1);
  const auto fitting = static_cast<size_t>(std::max(1, (columns + 1) / (width + 1)));
  return {std::min(canvases.size(), fitting), PixelsPerDot(width, columns)};
}

std::string Preview::Line(std::span<const Canvas> canvases, const Layout& layout, int line) const {
  std::string text;
  for (const Canvas& canvas : canvases) {
    absl::StrAppend(&text, text.empty() ? "" : " ",
                    HalfBlockLine(canvas.image, line, layout.pixels_per_dot, colours_));
  }
  return text;
}

}  // namespace strided::client
