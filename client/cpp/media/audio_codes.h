// 8-bit audio codes and the 16-bit samples that they stand for.
//
// mu-law with mu = 255, as audio models are trained on it: for x in [-1, 1], F(x) = sgn(x) ln(1 +
// 255 |x|) / ln 256 and code = floor((F + 1) / 2 * 255 + 0.5). This is the formula itself, not
// G.711's approximation of it by segments, whose bytes are other ones. linear8: unsigned 8-bit PCM.
// Full scale, x = 1, is the sample 32767.

#ifndef STRIDED_CLIENT_CPP_MEDIA_AUDIO_CODES_H_
#define STRIDED_CLIENT_CPP_MEDIA_AUDIO_CODES_H_

#include <cstdint>

namespace strided::client {

// The sample in the middle of what `code` stands for. CodeOfMulaw(SampleOfMulaw(c)) = c for every
// code, and so for the others. Thread-safe, as are all of these.
int16_t SampleOfMulaw(uint8_t code);
uint8_t CodeOfMulaw(int16_t sample);

// The same for codes in equal steps.
int16_t SampleOfLinear8(uint8_t code);
uint8_t CodeOfLinear8(int16_t sample);

// A byte of ITU-T G.711 mu-law, as WAV files of format 7 hold it.
int16_t SampleOfG711(uint8_t byte);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_MEDIA_AUDIO_CODES_H_
