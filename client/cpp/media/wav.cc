#include "client/cpp/media/wav.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/media/audio_codes.h"

namespace strided::client {
namespace {

constexpr uint32_t kPcm = 1;
constexpr uint32_t kMulaw = 7;
constexpr uint32_t kExtensible = 0xfffe;  // the true format stands at the start of a GUID

constexpr size_t kRiffHeader = 12;   // "RIFF", length, "WAVE"
constexpr size_t kChunkHeader = 8;   // name, length
constexpr size_t kFormatBytes = 16;  // of a "fmt " chunk, at least
constexpr size_t kSubformatOffset = 24;

constexpr uint32_t kHeaderBytes = kRiffHeader + kChunkHeader + kFormatBytes + kChunkHeader;
constexpr uint64_t kMostSamples = (std::numeric_limits<uint32_t>::max() - kHeaderBytes) / 2;

std::string LittleEndianBytes(uint32_t value, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

// Requires offset + count <= bytes.size().
uint32_t LittleEndian(absl::string_view bytes, size_t offset, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    value |= uint32_t{static_cast<uint8_t>(bytes[offset + i])} << (8 * i);
  }
  return value;
}

// The contents of the first chunk called `name`, as much as the file has; none where it is missing.
std::optional<absl::string_view> FindChunk(absl::string_view file, absl::string_view name) {
  size_t offset = kRiffHeader;
  while (offset + kChunkHeader <= file.size()) {
    const size_t length = LittleEndian(file, offset + 4, 4);
    const absl::string_view contents = file.substr(offset + kChunkHeader, length);
    if (file.substr(offset, 4) == name) return contents;
    offset += kChunkHeader + length + length % 2;  // chunks start at even offsets
  }
  return std::nullopt;
}

struct Encoding {
  uint32_t format = 0;
  uint32_t bits = 0;
};

std::vector<int16_t> Decode(absl::string_view data, const Encoding& encoding) {
  const size_t width = encoding.bits / 8;
  std::vector<int16_t> samples(data.size() / width);
  for (size_t i = 0; i < samples.size(); ++i) {
    const uint32_t value = LittleEndian(data, i * width, width);
    if (encoding.format == kMulaw) {
      samples[i] = SampleOfG711(static_cast<uint8_t>(value));
    } else if (encoding.bits == 8) {
      samples[i] = SampleOfLinear8(static_cast<uint8_t>(value));
    } else {
      samples[i] = static_cast<int16_t>(value);
    }
  }
  return samples;
}

}  // namespace

bool IsWav(absl::string_view bytes) {
  return absl::StartsWith(bytes, "RIFF") && bytes.size() >= kRiffHeader &&
         bytes.substr(8, 4) == "WAVE";
}

std::string WavHeader(uint32_t sample_rate_hz, uint64_t samples) {
  const auto data_length = static_cast<uint32_t>(std::min<uint64_t>(samples, kMostSamples) * 2);
  std::string header = "RIFF";
  header += LittleEndianBytes(kHeaderBytes - kChunkHeader + data_length, 4);
  header += "WAVEfmt ";
  header += LittleEndianBytes(kFormatBytes, 4);
  header += LittleEndianBytes(kPcm, 2);
  header += LittleEndianBytes(1, 2);  // channels
  header += LittleEndianBytes(sample_rate_hz, 4);
  header += LittleEndianBytes(sample_rate_hz * 2, 4);  // bytes per second
  header += LittleEndianBytes(2, 2);                   // bytes per frame
  header += LittleEndianBytes(16, 2);                  // bits per sample
  header += "data";
  header += LittleEndianBytes(data_length, 4);
  return header;
}

std::string PcmBytes(const std::vector<int16_t>& samples) {
  std::string bytes;
  bytes.reserve(samples.size() * 2);
  for (const int16_t sample : samples) {
    bytes += LittleEndianBytes(static_cast<uint16_t>(sample), 2);
  }
  return bytes;
}

absl::StatusOr<std::string> EncodeWav(const Sound& sound) {
  if (sound.samples.size() > kMostSamples) {
    return absl::InvalidArgumentError(
        absl::StrCat(sound.samples.size(), " samples are more than a WAV file can hold"));
  }
  return WavHeader(sound.sample_rate_hz, sound.samples.size()) + PcmBytes(sound.samples);
}

absl::StatusOr<Sound> DecodeWav(absl::string_view bytes) {
  if (!IsWav(bytes)) return absl::InvalidArgumentError("not a WAV file");
  const std::optional<absl::string_view> format = FindChunk(bytes, "fmt ");
  const std::optional<absl::string_view> data = FindChunk(bytes, "data");
  if (!format.has_value() || format->size() < kFormatBytes || !data.has_value()) {
    return absl::InvalidArgumentError("the WAV file has no format or no data");
  }
  Encoding encoding = {LittleEndian(*format, 0, 2), LittleEndian(*format, 14, 2)};
  if (encoding.format == kExtensible && format->size() >= kSubformatOffset + 2) {
    encoding.format = LittleEndian(*format, kSubformatOffset, 2);
  }
  if (const uint32_t channels = LittleEndian(*format, 2, 2); channels != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the WAV file has ", channels, " channels; mix it down to 1 first"));
  }
  const bool readable = (encoding.format == kPcm && (encoding.bits == 8 || encoding.bits == 16)) ||
                        (encoding.format == kMulaw && encoding.bits == 8);
  if (!readable) {
    return absl::InvalidArgumentError(
        absl::StrCat("the WAV file has encoding ", encoding.format, " with ", encoding.bits,
                     " bits; 16-bit or 8-bit PCM (1) and mu-law (7) are read"));
  }
  return Sound{LittleEndian(*format, 4, 4), Decode(*data, encoding)};
}

}  // namespace strided::client
