#include "engine/text/utf8.h"

namespace strided {
namespace {

// What the first byte of a character says.
struct Lead {
  size_t length = 0;      // 0: no character begins with it
  uint32_t bits = 0;      // of the code point
  uint32_t smallest = 0;  // code point that needs so many bytes
};

Lead LeadOf(uint8_t byte) {
  if (byte < 0x80) return {1, byte, 0};
  if (byte < 0xC0) return {};
  if (byte < 0xE0) return {2, byte & 0x1Fu, 0x80};
  if (byte < 0xF0) return {3, byte & 0x0Fu, 0x800};
  if (byte < 0xF8) return {4, byte & 0x07u, 0x10000};
  return {};
}

}  // namespace

Utf8Character FirstCharacter(absl::string_view text) {
  if (text.empty()) return {};
  const Lead lead = LeadOf(static_cast<uint8_t>(text[0]));
  if (lead.length == 0 || lead.length > text.size()) return {};
  uint32_t code_point = lead.bits;
  for (size_t i = 1; i < lead.length; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if ((byte & 0xC0u) != 0x80u) return {};
    code_point = code_point << 6 | (byte & 0x3Fu);
  }
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < lead.smallest || code_point > 0x10FFFF || surrogate) return {};
  return {code_point, lead.length};
}

std::optional<size_t> FirstInvalidByte(absl::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Character character = FirstCharacter(text.substr(at));
    if (character.length == 0) return at;
    at += character.length;
  }
  return std::nullopt;
}

std::string Utf8Of(uint32_t code_point) {
  const auto byte = [](uint32_t bits) { return static_cast<char>(static_cast<uint8_t>(bits)); };
  const auto following = [&](int shift) { return byte(0x80u | (code_point >> shift & 0x3Fu)); };
  if (code_point < 0x80) return {byte(code_point)};
  if (code_point < 0x800) return {byte(0xC0u | code_point >> 6), following(0)};
  if (code_point < 0x10000) return {byte(0xE0u | code_point >> 12), following(6), following(0)};
  return {byte(0xF0u | code_point >> 18), following(12), following(6), following(0)};
}

}  // namespace strided
