#include "client/cpp/media/png.h"

#include <png.h>

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace strided::client {
namespace {

constexpr uint64_t kMostPixels = uint64_t{1} << 26;

// A libpng image control, freed on every path.
class Control {
 public:
  Control() { image_.version = PNG_IMAGE_VERSION; }
  ~Control() { png_image_free(&image_); }
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  png_image* get() { return &image_; }
  absl::Status Error(absl::string_view doing) const {
    return absl::InvalidArgumentError(absl::StrCat(doing, ": ", image_.message));
  }

 private:
  png_image image_ = {};
};

absl::StatusOr<png_uint_32> FormatOf(int channels) {
  switch (channels) {
    case 1:
      return png_uint_32{PNG_FORMAT_GRAY};
    case 2:
      return png_uint_32{PNG_FORMAT_GA};
    case 3:
      return png_uint_32{PNG_FORMAT_RGB};
    case 4:
      return png_uint_32{PNG_FORMAT_RGBA};
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("a PNG image has 1 to 4 channels, not ", channels));
  }
}

}  // namespace

bool IsPng(absl::string_view bytes) { return absl::StartsWith(bytes, "\x89PNG\r\n\x1a\n"); }

absl::StatusOr<std::string> EncodePng(const Image& image) {
  const absl::StatusOr<png_uint_32> format = FormatOf(image.channels);
  if (!format.ok()) return format.status();
  if (image.height <= 0 || image.width <= 0 ||
      image.samples.size() !=
          BlackImage(image.height, image.width, image.channels).samples.size()) {
    return absl::InvalidArgumentError(absl::StrCat("an image of ", image.width, " x ", image.height,
                                                   " cannot have ", image.samples.size(),
                                                   " samples"));
  }
  Control control;
  control.get()->width = static_cast<png_uint_32>(image.width);
  control.get()->height = static_cast<png_uint_32>(image.height);
  control.get()->format = *format;
  std::string file(PNG_IMAGE_PNG_SIZE_MAX(*control.get()), '\0');
  png_alloc_size_t size = file.size();
  if (png_image_write_to_memory(control.get(), file.data(), &size, /*convert_to_8_bit=*/0,
                                image.samples.data(), /*row_stride=*/0, nullptr) == 0) {
    return control.Error("the PNG image cannot be written");
  }
  file.resize(size);
  return file;
}

absl::StatusOr<Image> DecodePng(absl::string_view bytes, int channels) {
  const absl::StatusOr<png_uint_32> format = FormatOf(channels);
  if (!format.ok()) return format.status();
  if (!IsPng(bytes)) return absl::InvalidArgumentError("not a PNG file");
  Control control;
  if (png_image_begin_read_from_memory(control.get(), bytes.data(), bytes.size()) == 0) {
    return control.Error("not a readable PNG file");
  }
  const uint64_t pixels = uint64_t{control.get()->width} * control.get()->height;
  if (pixels == 0 || pixels > kMostPixels) {
    return absl::InvalidArgumentError(
        absl::StrCat("the PNG image has ", pixels, " pixels; at most ", kMostPixels, " are read"));
  }
  control.get()->format = *format;
  Image image = BlackImage(static_cast<int>(control.get()->height),
                           static_cast<int>(control.get()->width), channels);
  const png_color white = {255, 255, 255};
  if (png_image_finish_read(control.get(), &white, image.samples.data(), /*row_stride=*/0,
                            nullptr) == 0) {
    return control.Error("not a whole PNG file");
  }
  return image;
}

}  // namespace strided::client
