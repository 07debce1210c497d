#include "server/service/audio_codec.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace strided {
namespace {

constexpr int kCodes = 256;
using SampleTable = std::array<int16_t, kCodes>;

int16_t MulawSample(int code) {
  const double f = 2.0 * code / (kCodes - 1) - 1;
  const double x = std::copysign((std::pow(256.0, std::abs(f)) - 1) / 255, f);
  return static_cast<int16_t>(std::lround(x * 32767));
}

int16_t Linear8Sample(int code) { return static_cast<int16_t>((code - 128) * 256); }

template <typename SampleOf>
SampleTable MakeTable(SampleOf sample_of) {
  SampleTable table;
  for (int code = 0; code < kCodes; ++code) table[static_cast<size_t>(code)] = sample_of(code);
  return table;
}

const SampleTable& TableOf(AudioEncoding encoding) {
  static const SampleTable kMulaw = MakeTable(MulawSample);
  static const SampleTable kLinear8 = MakeTable(Linear8Sample);
  return encoding == AudioEncoding::kMulaw ? kMulaw : kLinear8;
}

}  // namespace

int16_t SampleOfCode(AudioEncoding encoding, int code) {
  return TableOf(encoding)[static_cast<size_t>(code)];
}

std::optional<int> CodeOfSample(AudioEncoding encoding, int16_t sample) {
  const SampleTable& table = TableOf(encoding);
  const auto found = std::lower_bound(table.begin(), table.end(), sample);
  if (found == table.end() || *found != sample) return std::nullopt;
  return static_cast<int>(found - table.begin());
}

}  // namespace strided
