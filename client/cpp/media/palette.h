// The colours of an image model whose tokens are not channels but numbers of colours.

#ifndef STRIDED_CLIENT_CPP_MEDIA_PALETTE_H_
#define STRIDED_CLIENT_CPP_MEDIA_PALETTE_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strided::client {

class Palette {  // Immutable.
 public:
  // Of Image GPT's preprocessor_config.json: "clusters", a list of [red, green, blue] from -1 to 1.
  // InvalidArgument names what is not as it should be.
  static absl::StatusOr<Palette> Parse(absl::string_view json);

  // Three bytes for each of `tokens`: red, green, blue. OutOfRange where one has no colour.
  absl::StatusOr<std::string> Paint(std::span<const uint32_t> tokens) const;

 private:
  using Colour = std::array<char, 3>;

  explicit Palette(std::vector<Colour> colours) : colours_(std::move(colours)) {}

  std::vector<Colour> colours_;  // of token 0, 1, ...
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_MEDIA_PALETTE_H_
