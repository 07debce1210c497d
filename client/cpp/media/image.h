// Pixels as Strided's image models order them.

#ifndef STRIDED_CLIENT_CPP_MEDIA_IMAGE_H_
#define STRIDED_CLIENT_CPP_MEDIA_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace strided::client {

// 8-bit samples in raster order, channels innermost (HWC): height * width * channels of them.
// 1 channel is grey, 2 grey and alpha, 3 RGB, 4 RGBA.
struct Image {
  int height = 0;    // pixels
  int width = 0;     // pixels
  int channels = 3;  // samples of a pixel
  std::vector<uint8_t> samples;
};

// A black image, transparent where it has alpha. Requires positive sizes.
inline Image BlackImage(int height, int width, int channels) {
  const size_t count =
      static_cast<size_t>(height) * static_cast<size_t>(width) * static_cast<size_t>(channels);
  return {height, width, channels, std::vector<uint8_t>(count)};
}

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_MEDIA_IMAGE_H_
