// Images in the terminal while they are made, row by row; several samples side by side.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_PREVIEW_H_
#define STRIDED_CLIENT_CPP_OUTPUT_PREVIEW_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cpp/media/image.h"
#include "client/cpp/output/live_lines.h"
#include "client/cpp/output/terminal.h"

namespace strided::client {

// One image of several that grow at the same time.
struct Canvas {
  Image image;
  size_t known = 0;  // samples (of pixels) from the start on that have arrived
};

// Rows that are whole are printed for good, two dots to a character cell (half_blocks.h). Errors
// are those of writing to the terminal. Not thread-safe.
class Preview {
 public:
  // `lines` outlives this. Requires an interactive terminal with colours.
  Preview(LiveLines* lines, const Terminal& terminal)
      : lines_(lines), colours_(terminal.colours), columns_(terminal.columns()) {}

  // Prints every line of text that all shown canvases have all pixels of, and shows the next one as
  // far as it is known. The canvases are those of the call before, grown; of more than fit side by
  // side, the first are shown.
  absl::Status Update(std::span<const Canvas> canvases);

  // Prints what is left of canvases that will not grow any more.
  absl::Status End(std::span<const Canvas> canvases);

 private:
  struct Layout {
    size_t shown = 0;  // canvases
    int pixels_per_dot = 1;
  };
  Layout Arrange(std::span<const Canvas> canvases) const;
  std::string Line(std::span<const Canvas> canvases, const Layout& layout, int line) const;

  LiveLines* const lines_;
  const Colours colours_;
  const int columns_;  // when it began: lines that are printed cannot be laid out anew
  int printed_ = 0;    // lines of text
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_PREVIEW_H_
