#include "client/cpp/media/audio_codes.h"

#include <algorithm>
#include <cmath>

namespace strided::client {
namespace {

constexpr double kMu = 255;
constexpr double kFullScale = 32767;
constexpr double kLargestCode = 255;

}  // namespace

int16_t SampleOfMulaw(uint8_t code) {
  const double f = 2 * code / kLargestCode - 1;
  const double x = std::copysign((std::pow(1 + kMu, std::abs(f)) - 1) / kMu, f);
  return static_cast<int16_t>(std::lround(x * kFullScale));
}

uint8_t CodeOfMulaw(int16_t sample) {
  const double x = std::max(-1.0, sample / kFullScale);  // -32768 is a little below -1
  const double f = std::copysign(std::log1p(kMu * std::abs(x)) / std::log1p(kMu), x);
  return static_cast<uint8_t>(std::floor((f + 1) / 2 * kLargestCode + 0.5));
}

int16_t SampleOfLinear8(uint8_t code) { return static_cast<int16_t>((code - 128) * 256); }

uint8_t CodeOfLinear8(int16_t sample) { return static_cast<uint8_t>((sample + 32768) / 256); }

int16_t SampleOfG711(uint8_t byte) {
  // Inverted bits: sign, 3 bits of segment, 4 of step; the bias makes segments meet (G.711, 1988).
  constexpr int kBias = 0x84;
  const int bits = ~byte & 0xff;
  const int magnitude = ((((bits & 0x0f) << 3) + kBias) << ((bits & 0x70) >> 4)) - kBias;
  return static_cast<int16_t>((bits & 0x80) != 0 ? -magnitude : magnitude);
}

}  // namespace strided::client
