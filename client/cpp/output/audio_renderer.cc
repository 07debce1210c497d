#include "client/cpp/output/audio_renderer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/media/audio_codes.h"
#include "client/cpp/media/wav.h"

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
      return std::make_unique<AudioRenderer>(started, std::move(files));
    default:
      return absl::UnimplementedError(absl::StrCat("no WAV file can be made of audio encoding ",
                                                   static_cast<int>(started.audio().encoding())));
  }
}

AudioRenderer::AudioRenderer(const v1::Started& started,
                             std::vector<std::unique_ptr<ByteSink>> files)
    : layout_(started.audio()),
      expected_end_(started.prompt_tokens() + started.resolved().max_new_tokens()) {
  for (std::unique_ptr<ByteSink>& file : files) tracks_.push_back({.file = std::move(file)});
}

absl::Status AudioRenderer::Render(const v1::GenerateResponse& event) {
  if (event.has_finished() && event.finished().sample_index() < tracks_.size()) {
    return Close(tracks_[event.finished().sample_index()]);
  }
  if (!event.has_delta() || event.delta().sample_index() >= tracks_.size()) {
    return absl::OkStatus();
  }
  Track& track = tracks_[event.delta().sample_index()];
  if (track.samples == 0) {
    const uint64_t begin = event.delta().first_position();
    track.announced = expected_end_ > begin ? expected_end_ - begin : 0;
    const std::string header = WavHeader(layout_.sample_rate_hz(), track.announced);
    if (absl::Status status = track.file->Write(header); !status.ok()) return status;
  }
  const std::vector<int16_t> more = Decode(event.delta().raw(), layout_.encoding());
  track.samples += more.size();
  return track.file->Write(PcmBytes(more));
}

absl::Status AudioRenderer::End() {
  for (Track& track : tracks_) {
    if (absl::Status status = Close(track); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AudioRenderer::Close(Track& track) {
  const std::unique_ptr<ByteSink> file = std::exchange(track.file, nullptr);
  if (file == nullptr || track.samples == 0 || track.samples == track.announced) {
    return absl::OkStatus();
  }
  // Where the place cannot go back, readers find the end of the samples by themselves.
  return file->Overwrite(0, WavHeader(layout_.sample_rate_hz(), track.samples)).status();
}

}  // namespace strided::client
