// WAV files: RIFF with one channel of samples.

#ifndef STRIDED_CLIENT_CPP_MEDIA_WAV_H_
#define STRIDED_CLIENT_CPP_MEDIA_WAV_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strided::client {

struct Sound {
  uint32_t sample_rate_hz = 0;
  std::vector<int16_t> samples;  // one channel
};

// Whether `bytes` begin as every WAV file does.
bool IsWav(absl::string_view bytes);

// The header of a WAV file of `samples` 16-bit samples, which follow as PcmBytes; always of the
// same size. More samples than the 4 GiB that the format can say are announced as the most that it
// can: readers then go on to the file's end. Thread-safe, as are all of these.
std::string WavHeader(uint32_t sample_rate_hz, uint64_t samples);
std::string PcmBytes(const std::vector<int16_t>& samples);

// The bytes of a WAV file, 16-bit PCM. InvalidArgument where the sound is longer than the 4 GiB
// that the format can say.
absl::StatusOr<std::string> EncodeWav(const Sound& sound);

// The sound in `bytes`: 16-bit or 8-bit PCM, or G.711 mu-law, as 16-bit samples. A data chunk that
// is cut short gives what is there: that is how recorders leave files behind. InvalidArgument for
// other encodings and for more than one channel, with what was found.
absl::StatusOr<Sound> DecodeWav(absl::string_view bytes);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_MEDIA_WAV_H_
