// Sampling as the definitions say it, in double precision with full sorts: what the sampler is
// tested against.

#ifndef STRIDED_TESTS_ENGINE_SAMPLING_REFERENCE_SAMPLER_H_
#define STRIDED_TESTS_ENGINE_SAMPLING_REFERENCE_SAMPLER_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "engine/sampling/parameters.h"

namespace strided {

// id -> probability; ids that cannot be drawn are absent.
using Distribution = std::map<int32_t, double>;

struct ReferenceHistory {
  std::vector<int32_t> prompt;
  std::vector<int32_t> generated;
};

inline Distribution Normalised(Distribution weights) {
  double total = 0;
  for (const auto& [id, weight] : weights) total += weight;
  for (auto& [id, weight] : weights) weight /= total;
  return weights;
}

// The ids in ascending order of `key`, the lower id first on ties: as many as reach `share`.
inline Distribution KeepShare(const Distribution& all, double share,
                              const std::function<double(double)>& key) {
  std::vector<std::pair<double, int32_t>> order;
  for (const auto& [id, p] : all) order.emplace_back(key(p), id);
  std::sort(order.begin(), order.end());
  Distribution kept;
  double mass = 0;
  for (const auto& [unused, id] : order) {
    if (!kept.empty() && mass >= share) break;
    kept[id] = all.at(id);
    mass += all.at(id);
  }
  return Normalised(kept);
}

inline Distribution KeepFirst(const Distribution& all, int count) {
  std::vector<std::pair<double, int32_t>> order;
  for (const auto& [id, p] : all) order.emplace_back(-p, id);
  std::sort(order.begin(), order.end());
  Distribution kept;
  for (const auto& [negative, id] : order) {
    if (static_cast<int>(kept.size()) < count) kept[id] = -negative;
  }
  return Normalised(kept);
}

inline std::map<int32_t, double> AdjustedLogits(const SamplingParameters& parameters,
                                                const ReferenceHistory& history,
                                                std::span<const float> logits) {
  std::map<int32_t, double> adjusted;
  for (size_t i = 0; i < logits.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const std::vector<int32_t>& allowed = parameters.allowed_ids;
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), id) == allowed.end())
      continue;
    double logit = logits[i];
    if (parameters.logit_bias.contains(id)) logit += parameters.logit_bias.at(id);
    const auto in_prompt = std::count(history.prompt.begin(), history.prompt.end(), id);
    const auto generated =
        static_cast<double>(std::count(history.generated.begin(), history.generated.end(), id));
    if (in_prompt > 0 || generated > 0) {
      logit =
          logit > 0 ? logit / parameters.repetition_penalty : logit * parameters.repetition_penalty;
    }
    logit -= generated * parameters.frequency_penalty;
    if (generated > 0) logit -= parameters.presence_penalty;
    adjusted[id] = logit;
  }
  return adjusted;
}

// Requires temperature > 0.
inline Distribution ReferenceDistribution(const SamplingParameters& parameters,
                                          const ReferenceHistory& history,
                                          std::span<const float> logits) {
  Distribution p = AdjustedLogits(parameters, history, logits);
  double largest = p.begin()->second;
  for (const auto& [id, logit] : p) largest = std::max(largest, logit);
  for (auto& [id, value] : p) value = std::exp((value - largest) / parameters.temperature);
  p = Normalised(p);
  if (parameters.top_k > 0) p = KeepFirst(p, parameters.top_k);
  if (parameters.top_p < 1) p = KeepShare(p, parameters.top_p, [](double q) { return -q; });
  double most = 0;
  for (const auto& [id, q] : p) most = std::max(most, q);
  std::erase_if(p, [&](const auto& entry) { return entry.second < parameters.min_p * most; });
  p = Normalised(p);
  if (parameters.typical_p < 1) {
    double entropy = 0;
    for (const auto& [id, q] : p) entropy -= q > 0 ? q * std::log(q) : 0;
    p = KeepShare(p, parameters.typical_p,
                  [entropy](double q) { return std::abs(-std::log(q) - entropy); });
  }
  return p;
}

}  // namespace strided

#endif  // STRIDED_TESTS_ENGINE_SAMPLING_REFERENCE_SAMPLER_H_
