#include "engine/sampling/soft_maximum.h"

#include <algorithm>
#include <array>
#include <limits>

namespace strided {

void Exponentials(std::span<const float> x, std::span<float> out) {
  for (size_t i = 0; i < x.size(); ++i) out[i] = Exponential(x[i]);
}

size_t IndexOfLargest(std::span<const float> values) {
  // Eight running maxima: the compiler keeps them in one register.
  constexpr size_t kLanes = 8;
  std::array<float, kLanes> lanes;
  lanes.fill(-std::numeric_limits<float>::infinity());
  const size_t whole = values.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float value = values[i + lane];
      lanes[lane] = value > lanes[lane] ? value : lanes[lane];
    }
  }
  float largest = *std::max_element(lanes.begin(), lanes.end());
  for (size_t i = whole; i < values.size(); ++i) largest = std::max(largest, values[i]);
  const auto first = std::find(values.begin(), values.end(), largest);
  return first == values.end() ? 0 : static_cast<size_t>(first - values.begin());
}

}  // namespace strided
