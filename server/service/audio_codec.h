// 8-bit audio codes and the 16-bit samples that they stand for.
//
// mu-law, mu = 255, as the models are trained on: code = floor((F + 1) / 2 * 255 + 0.5) with
// F(x) = sgn(x) ln(1 + 255 |x|) / ln 256; a code stands for the x of F = 2 code / 255 - 1. linear8:
// unsigned 8-bit PCM as in WAV files, (code - 128) * 256.

#ifndef STRIDED_SERVER_SERVICE_AUDIO_CODEC_H_
#define STRIDED_SERVER_SERVICE_AUDIO_CODEC_H_

#include <cstdint>
#include <optional>

#include "engine/model/config.h"

namespace strided {

// The sample of `code`, 32767 for x = 1. Rises with the code, so no two codes share a sample.
// Requires 0 <= code < 256. Thread-safe, as is CodeOfSample.
int16_t SampleOfCode(AudioEncoding encoding, int code);

// The code that has exactly this sample; none where no code has.
std::optional<int> CodeOfSample(AudioEncoding encoding, int16_t sample);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_AUDIO_CODEC_H_
