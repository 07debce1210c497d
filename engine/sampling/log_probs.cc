#include "engine/sampling/log_probs.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <numeric>

#include "engine/sampling/soft_maximum.h"

namespace strided {
namespace {

// Sum over the row of exp(logit - largest).
Mass SumOfMasses(std::span<const float> logits, float largest) {
  constexpr size_t kBlock = 64;
  std::array<float, kBlock> block;
  Mass sum = 0;
  while (!logits.empty()) {
    const std::span<const float> part = logits.first(std::min(kBlock, logits.size()));
    const std::span<float> values = std::span(block).first(part.size());
    for (size_t i = 0; i < part.size(); ++i) values[i] = part[i] - largest;
    Exponentials(values, values);
    for (const float value : values) sum += MassOf(value);
    logits = logits.subspan(part.size());
  }
  return sum;
}

// Fills `ids` with the first of the ranking, in order: a heap of the best so far, the last of them
// on top.
void SelectTop(std::span<const float> logits, std::span<int32_t> ids) {
  if (ids.empty()) return;
  const auto ranks_before = [logits](int32_t a, int32_t b) {
    const float logit_a = logits[static_cast<size_t>(a)];
    const float logit_b = logits[static_cast<size_t>(b)];
    return logit_a > logit_b || (logit_a == logit_b && a < b);
  };
  std::iota(ids.begin(), ids.end(), 0);
  std::make_heap(ids.begin(), ids.end(), ranks_before);
  for (size_t i = ids.size(); i < logits.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    if (!ranks_before(id, ids.front())) continue;
    std::pop_heap(ids.begin(), ids.end(), ranks_before);
    ids.back() = id;
    std::push_heap(ids.begin(), ids.end(), ranks_before);
  }
  std::sort_heap(ids.begin(), ids.end(), ranks_before);
}

}  // namespace

bool AllFinite(std::span<const float> logits) {
  constexpr uint32_t kExponentMask = 0x7F800000;
  uint32_t found = 0;
  for (const float logit : logits) {
    found |= (std::bit_cast<uint32_t>(logit) & kExponentMask) == kExponentMask ? 1U : 0U;
  }
  return found == 0;
}

double LogSumExp(std::span<const float> logits) {
  const float largest = logits[IndexOfLargest(logits)];
  // The largest logit's own mass keeps the sum at 1 or more; max() is for rows that are not finite.
  const Mass sum = std::max(kMassOfOne, SumOfMasses(logits, largest));
  return static_cast<double>(largest) + LogOfMass(sum);
}

float LogProbs(std::span<const float> logits, int32_t token, std::span<int32_t> top_ids,
               std::span<float> top_values) {
  const double log_sum = LogSumExp(logits);
  const auto log_prob = [&](int32_t id) {
    return static_cast<float>(static_cast<double>(logits[static_cast<size_t>(id)]) - log_sum);
  };
  SelectTop(logits, top_ids);
  std::transform(top_ids.begin(), top_ids.end(), top_values.begin(), log_prob);
  return log_prob(token);
}

}  // namespace strided
