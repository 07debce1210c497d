// Audio: a WAV file per sample.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_AUDIO_RENDERER_H_
#define STRIDED_CLIENT_CPP_OUTPUT_AUDIO_RENDERER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/output/byte_sink.h"
#include "client/cpp/output/renderer.h"

namespace strided::client {

// Codes are decoded to 16-bit samples and written as they come, however many. The header announces
// as many as the request makes, and is put right at the end of a sample that had fewer, and of a
// stream that broke off, where the file can go back to it.
class AudioRenderer final : public Renderer {
 public:
  // files[i] takes sample i. Unimplemented where the stream's encoding is not known here.
  static absl::StatusOr<std::unique_ptr<AudioRenderer>> Create(
      const v1::Started& started, std::vector<std::unique_ptr<ByteSink>> files);

  // Use Create.
  AudioRenderer(const v1::Started& started, std::vector<std::unique_ptr<ByteSink>> files);

  // As Renderer. An error of the file that takes the sample.
  absl::Status Render(const v1::GenerateResponse& event) override;
  absl::Status End() override;

 private:
  struct Track {
    std::unique_ptr<ByteSink> file;  // null once its sample has ended
    uint64_t samples = 0;            // written
    uint64_t announced = 0;          // in the header
  };

  absl::Status Close(Track& track);

  const v1::AudioLayout layout_;
  const uint64_t expected_end_;  // the position where a sample ends by its length
  std::vector<Track> tracks_;    // by sample
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_AUDIO_RENDERER_H_
