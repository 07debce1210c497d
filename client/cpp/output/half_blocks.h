// Pictures in a terminal: each character cell shows two pixels, one above the other, as the colours
// of an upper half block and of its background.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_HALF_BLOCKS_H_
#define STRIDED_CLIENT_CPP_OUTPUT_HALF_BLOCKS_H_

#include <string>

#include "client/cpp/media/image.h"
#include "client/cpp/output/terminal.h"

namespace strided::client {

// Pixels that one cell's half stands for in each direction, so that an image of `width` pixels fits
// `columns`; their average is shown. At least 1. Requires positive arguments.
int PixelsPerDot(int width, int columns);

// Lines of text that an image of `height` pixels takes: each shows two dots, one above the other.
int TextLines(int height, int pixels_per_dot);

// Line `line` (0 at the top) of the image, with escape sequences, without a newline. Grey is shown
// as grey, alpha is ignored. Requires 0 <= line < TextLines and colours other than kNone.
std::string HalfBlockLine(const Image& image, int line, int pixels_per_dot, Colours colours);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_HALF_BLOCKS_H_
