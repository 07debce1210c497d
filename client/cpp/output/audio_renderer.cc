#include "client/cpp/output/audio_renderer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/media/audio_codes.h"

namespace strided::client {
namespace {

std::vector<int16_t> Decode(const std::string& raw, v1::AudioEncoding encoding) {
  std::vector<int16_t> samples;
  if (encoding == v1::AUDIO_ENCODING_PCM16) {
    for (size_t i = 0; i + 1 < raw.size(); i += 2) {
      const int low = static_cast<uint8_t>(raw[i]);
      samples.push_back(static_cast<int16_t>(low | static_cast<uint8_t>(raw[i + 1]) << 8));
    }
    return samples;
  }
  for (const char byte : raw) {
    const auto code = static_cast<uint8_t>(byte);
    samples.push_back(encoding == v1::AUDIO_ENCODING_MULAW ? SampleOfMulaw(code)
                                                           : SampleOfLinear8(code));
  }
  return samples;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AudioRenderer>> AudioRenderer::Create(
    const v1::Started& started, std::vector<std::unique_ptr<ByteSink>> files) {
  switch (started.audio().encoding()) {
    case v1::AUDIO_ENCODING_MULAW:
    case v1::AUDIO_ENCODING_LINEAR8:
    case v1::AUDIO_ENCODING_PCM16:
      return std::make_unique<AudioRenderer>(started.audio(), std::move(files));
    default:
      return absl::UnimplementedError(absl::StrCat("no WAV file can be made of audio encoding ",
                                                   static_cast<int>(started.audio().encoding())));
  }
}

AudioRenderer::AudioRenderer(const v1::AudioLayout& layout,
                             std::vector<std::unique_ptr<ByteSink>> files)
    : encoding_(layout.encoding()),
      files_(std::move(files)),
      sounds_(files_.size(), Sound{layout.sample_rate_hz(), {}}) {}

absl::Status AudioRenderer::Render(const v1::GenerateResponse& event) {
  if (event.has_finished()) return WriteSample(event.finished().sample_index());
  if (!event.has_delta() || event.delta().sample_index() >= sounds_.size()) {
    return absl::OkStatus();
  }
  std::vector<int16_t>& samples = sounds_[event.delta().sample_index()].samples;
  const std::vector<int16_t> more = Decode(event.delta().raw(), encoding_);
  samples.insert(samples.end(), more.begin(), more.end());
  return absl::OkStatus();
}

absl::Status AudioRenderer::End() {
  for (size_t i = 0; i < files_.size(); ++i) {
    if (absl::Status status = WriteSample(i); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AudioRenderer::WriteSample(size_t index) {
  if (index >= files_.size() || files_[index] == nullptr || sounds_[index].samples.empty()) {
    return absl::OkStatus();
  }
  const std::unique_ptr<ByteSink> file = std::exchange(files_[index], nullptr);
  absl::StatusOr<std::string> bytes = EncodeWav(sounds_[index]);
  return bytes.ok() ? file->Write(*bytes) : bytes.status();
}

}  // namespace strided::client
