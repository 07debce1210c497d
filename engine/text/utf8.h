// UTF-8, as RFC 3629 has it: no surrogates, no longer form than needed.

#ifndef STRIDED_ENGINE_TEXT_UTF8_H_
#define STRIDED_ENGINE_TEXT_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace strided {

struct Utf8Character {
  uint32_t code_point = 0;
  size_t length = 0;  // bytes; 0: the text does not begin with a whole, valid character
};

// The first character of `text`.
Utf8Character FirstCharacter(absl::string_view text);

// The first byte of `text` at which no valid character begins; none where all of it is UTF-8.
std::optional<size_t> FirstInvalidByte(absl::string_view text);

// Requires a code point of at most U+10FFFF that is no surrogate.
std::string Utf8Of(uint32_t code_point);

}  // namespace strided

#endif  // STRIDED_ENGINE_TEXT_UTF8_H_
