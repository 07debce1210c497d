// Several images as one.

#ifndef STRIDED_CLIENT_CPP_MEDIA_CONTACT_SHEET_H_
#define STRIDED_CLIENT_CPP_MEDIA_CONTACT_SHEET_H_

#include <span>

#include "client/cpp/media/image.h"

namespace strided::client {

// `images` in reading order on a near-square grid, two black pixels apart. Requires at least one
// image, all of the same size and channels.
Image ContactSheet(std::span<const Image> images);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_MEDIA_CONTACT_SHEET_H_
