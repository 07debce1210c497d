// The characters that byte-level vocabularies write bytes as.
//
// Radford et al. 2019, section 2.2, and the released encoder.py of GPT-2: a printable byte of
// Latin-1 is its own character, and every other byte is one of U+0100, U+0101, ..., in order. A
// space is U+0120.

#ifndef STRIDED_ENGINE_TEXT_BYTE_ALPHABET_H_
#define STRIDED_ENGINE_TEXT_BYTE_ALPHABET_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace strided {

// The character of `byte`, in UTF-8.
std::string CharacterOf(uint8_t byte);

// The bytes that the characters of `written` stand for; none where one of them stands for no byte.
std::optional<std::string> BytesOf(absl::string_view written);

}  // namespace strided

#endif  // STRIDED_ENGINE_TEXT_BYTE_ALPHABET_H_
