#include "client/cpp/output/utf8.h"

#include <cstdint>

namespace strided::client {
namespace {

constexpr absl::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

uint8_t ByteAt(absl::string_view text, size_t i) { return static_cast<uint8_t>(text[i]); }

// Bytes that a character takes by its first one; 0 where no character begins so.
size_t LengthBy(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

// Whether `byte` may be the second of a character that begins with `lead`: this is where overlong
// forms, surrogates and numbers past U+10FFFF are caught (RFC 3629, section 4).
bool MayFollow(uint8_t lead, uint8_t byte) {
  const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  return byte >= low && byte <= high;
}

enum class Fit { kWhole, kCutShort, kInvalid };

struct Character {
  Fit fit = Fit::kInvalid;
  size_t length = 1;  // of a whole one
};

// The first character of `text`, which is not empty.
Character FirstCharacter(absl::string_view text) {
  const uint8_t lead = ByteAt(text, 0);
  const size_t length = LengthBy(lead);
  if (length == 0) return {};
  for (size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {Fit::kCutShort, length};
    const uint8_t byte = ByteAt(text, i);
    const bool fits = i == 1 ? MayFollow(lead, byte) : byte >= 0x80 && byte <= 0xbf;
    if (!fits) return {};
  }
  return {Fit::kWhole, length};
}

}  // namespace

std::string Utf8Joiner::Add(absl::string_view bytes) {
  pending_.append(bytes.data(), bytes.size());
  absl::string_view rest = pending_;
  std::string characters;
  while (!rest.empty()) {
    const Character first = FirstCharacter(rest);
    if (first.fit == Fit::kCutShort) break;
    characters +=
        std::string(first.fit == Fit::kWhole ? rest.substr(0, first.length) : kReplacement);
    rest.remove_prefix(first.length);
  }
  pending_ = std::string(rest);
  return characters;
}

std::string Utf8Joiner::Finish() {
  std::string characters;
  for (size_t i = 0; i < pending_.size(); ++i) characters += std::string(kReplacement);
  pending_.clear();
  return characters;
}

std::string WithoutControls(absl::string_view text) {
  std::string shown;
  for (size_t i = 0; i < text.size(); ++i) {
    const uint8_t byte = ByteAt(text, i);
    const bool is_c1 = byte == 0xc2 && i + 1 < text.size() && ByteAt(text, i + 1) < 0xa0;
    if (is_c1) {  // U+0080 to U+009F have no symbols of their own
      shown += std::string(kReplacement);
      ++i;
    } else if (byte == 0x7f) {
      shown += "\xe2\x90\xa1";  // U+2421
    } else if (byte < 0x20 && byte != '\n' && byte != '\t') {
      shown += {'\xe2', '\x90', static_cast<char>(0x80 + byte)};  // U+2400 and on
    } else {
      shown += text[i];
    }
  }
  return shown;
}

}  // namespace strided::client
