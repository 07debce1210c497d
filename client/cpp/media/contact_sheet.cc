#include "client/cpp/media/contact_sheet.h"

#include <algorithm>
#include <cmath>

namespace strided::client {
namespace {

constexpr int kGap = 2;  // pixels

}  // namespace

Image ContactSheet(std::span<const Image> images) {
  const Image& first = images.front();
  const int count = static_cast<int>(images.size());
  const int columns = static_cast<int>(std::ceil(std::sqrt(count)));
  const int rows = (count + columns - 1) / columns;
  Image sheet = BlackImage(rows * (first.height + kGap) - kGap,
                           columns * (first.width + kGap) - kGap, first.channels);
  const ptrdiff_t row_samples = ptrdiff_t{first.width} * first.channels;
  for (int i = 0; i < count; ++i) {
    const int top = i / columns * (first.height + kGap);
    const int left = i % columns * (first.width + kGap);
    for (int y = 0; y < first.height; ++y) {
      const auto from = images[static_cast<size_t>(i)].samples.begin() + y * row_samples;
      const ptrdiff_t to = (ptrdiff_t{top + y} * sheet.width + left) * sheet.channels;
      std::copy(from, from + row_samples, sheet.samples.begin() + to);
    }
  }
  return sheet;
}

}  // namespace strided::client
