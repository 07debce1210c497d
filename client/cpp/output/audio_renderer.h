// Audio: a WAV file per sample.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_AUDIO_RENDERER_H_
#define STRIDED_CLIENT_CPP_OUTPUT_AUDIO_RENDERER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/media/wav.h"
#include "client/cpp/output/byte_sink.h"
#include "client/cpp/output/renderer.h"

namespace strided::client {

// Codes are decoded to 16-bit samples. A file is written when its sample ends, since its header
// says how long it is; a stream that breaks off leaves what has arrived.
class AudioRenderer final : public Renderer {
 public:
  // files[i] takes sample i. Unimplemented where the stream's encoding is not known here.
  static absl::StatusOr<std::unique_ptr<AudioRenderer>> Create(
      const v1::Started& started, std::vector<std::unique_ptr<ByteSink>> files);

  // Use Create.
  AudioRenderer(const v1::AudioLayout& layout, std::vector<std::unique_ptr<ByteSink>> files);

  // As Renderer. An error of the file that takes the sample.
  absl::Status Render(const v1::GenerateResponse& event) override;
  absl::Status End() override;

 private:
  absl::Status WriteSample(size_t index);

  const v1::AudioEncoding encoding_;
  std::vector<std::unique_ptr<ByteSink>> files_;  // null once written
  std::vector<Sound> sounds_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_AUDIO_RENDERER_H_
