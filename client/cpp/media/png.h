// PNG files, through libpng's simplified interface.

#ifndef STRIDED_CLIENT_CPP_MEDIA_PNG_H_
#define STRIDED_CLIENT_CPP_MEDIA_PNG_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cpp/media/image.h"

namespace strided::client {

// Whether `bytes` begin as every PNG file does.
bool IsPng(absl::string_view bytes);

// The bytes of a PNG file, 8 bits per sample, sRGB. InvalidArgument where the image does not have 1
// to 4 channels, or not as many samples as its sizes say. Thread-safe, as is DecodePng.
absl::StatusOr<std::string> EncodePng(const Image& image);

// The image in `bytes` with `channels` channels (1 to 4): palettes, 16-bit samples and other gammas
// are converted; transparency that has no channel to go to lies on white. 8-bit samples of an sRGB
// file come out as they are. InvalidArgument where the bytes are not a whole PNG file, or the image
// has more than 2^26 pixels.
absl::StatusOr<Image> DecodePng(absl::string_view bytes, int channels);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_MEDIA_PNG_H_
