#include "engine/text/byte_alphabet.h"

#include <array>
#include <cstddef>

#include "engine/text/utf8.h"

namespace strided {
namespace {

constexpr int kBytes = 256;
constexpr uint32_t kFirstSubstitute = 0x100;

bool IsPrintable(int byte) {
  return ('!' <= byte && byte <= '~') || (0xA1 <= byte && byte <= 0xAC) || byte >= 0xAE;
}

// The code point of each byte.
const std::array<uint32_t, kBytes>& Alphabet() {
  static const std::array<uint32_t, kBytes> kAlphabet = [] {
    std::array<uint32_t, kBytes> alphabet{};
    uint32_t next = kFirstSubstitute;
    for (int byte = 0; byte < kBytes; ++byte) {
      alphabet[static_cast<size_t>(byte)] =
          IsPrintable(byte) ? static_cast<uint32_t>(byte) : next++;
    }
    return alphabet;
  }();
  return kAlphabet;
}

// The byte of a code point; -1: none.
int ByteOf(uint32_t code_point) {
  constexpr size_t kCodePoints = size_t{2} * kBytes;  // no substitute is beyond
  static const std::array<int16_t, kCodePoints> kBytesOf = [] {
    std::array<int16_t, kCodePoints> bytes{};
    bytes.fill(-1);
    for (int byte = 0; byte < kBytes; ++byte) {
      bytes[Alphabet()[static_cast<size_t>(byte)]] = static_cast<int16_t>(byte);
    }
    return bytes;
  }();
  return code_point < kCodePoints ? kBytesOf[code_point] : -1;
}

}  // namespace

std::string CharacterOf(uint8_t byte) { return Utf8Of(Alphabet()[byte]); }

std::optional<std::string> BytesOf(absl::string_view written) {
  std::string bytes;
  while (!written.empty()) {
    const Utf8Character character = FirstCharacter(written);
    const int byte = character.length > 0 ? ByteOf(character.code_point) : -1;
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
    written.remove_prefix(character.length);
  }
  return bytes;
}

}  // namespace strided
