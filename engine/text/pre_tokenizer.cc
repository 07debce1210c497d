#include "engine/text/pre_tokenizer.h"

#include <re2/re2.h>
#include <re2/stringpiece.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/base/status_macros.h"

namespace strided {
namespace {

// Unicode's White_Space; RE2's own \s has that of ASCII alone.
#define STRIDED_WHITE_SPACE \
  R"(\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})"

// The pattern without its look-ahead, which RE2 has not: white space is the first group, and
// LengthOf does what the look-ahead would.
const RE2& Pattern() {
  static const RE2 kPattern(R"('s|'t|'re|'ve|'m|'ll|'d| ?\pL+| ?\pN+| ?[^)" STRIDED_WHITE_SPACE
                            R"(\pL\pN]+|([)" STRIDED_WHITE_SPACE "]+)");
  return kPattern;
}
#undef STRIDED_WHITE_SPACE

// White space before something else leaves it its last character, unless it is but one.
size_t LengthOf(absl::string_view white_space, bool at_end) {
  if (at_end) return white_space.size();
  size_t last = white_space.size() - 1;
  while ((static_cast<uint8_t>(white_space[last]) & 0xC0u) == 0x80u) --last;
  return last == 0 ? white_space.size() : last;
}

}  // namespace

absl::Status ForEachPiece(absl::string_view text,
                          absl::FunctionRef<absl::Status(absl::string_view)> piece) {
  const re2::StringPiece whole(text.data(), text.size());
  std::array<re2::StringPiece, 2> match;  // the piece; where it is white space, the same
  size_t begin = 0;
  while (begin < text.size()) {
    const bool found = Pattern().Match(whole, begin, text.size(), RE2::ANCHOR_START, match.data(),
                                       static_cast<int>(match.size()));
    // Every character is in some class, so something matches; one byte is a guard against a loop.
    size_t length = found && !match[0].empty() ? match[0].size() : 1;
    if (found && !match[1].empty()) {
      length = LengthOf(text.substr(begin, length), begin + length == text.size());
    }
    RETURN_IF_ERROR(piece(text.substr(begin, length)));
    begin += length;
  }
  return absl::OkStatus();
}

}  // namespace strided
