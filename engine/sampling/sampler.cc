#include "engine/sampling/sampler.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/sampling/filters.h"
#include "engine/sampling/fixed_arithmetic.h"
#include "engine/sampling/philox.h"
#include "engine/sampling/soft_maximum.h"

namespace strided {
namespace {

bool Selects(const SamplingParameters& parameters) {
  return parameters.top_k != 0 || parameters.top_p != 1 || parameters.typical_p != 1;
}

// The candidate at which the running mass first exceeds bits / 2^64 of the whole.
int32_t Draw(std::span<const Candidate> candidates, uint64_t bits) {
  Mass left = FractionOf(bits, TotalMass(candidates));
  size_t index = 0;
  while (left >= candidates[index].mass) left -= candidates[index++].mass;
  return candidates[index].id;
}

}  // namespace

Sampler::Sampler(SamplerSpec spec)
    : spec_(std::move(spec)),
      penalised_(Penalises(spec_.parameters)),
      inverse_temperature_(InverseTemperature(spec_.parameters)),
      history_(spec_.vocab_size, spec_.prompt_length),
      adjusted_(static_cast<size_t>(spec_.vocab_size)) {
  if (spec_.parameters.temperature == 0) return;
  const size_t allowed =
      spec_.parameters.allowed_ids.empty() ? adjusted_.size() : spec_.parameters.allowed_ids.size();
  exponentials_.resize(allowed);
  candidates_.resize(allowed);
  if (Selects(spec_.parameters)) scratch_.resize(allowed);
}

int32_t Sampler::Sample(int position, std::span<const float> logits) {
  const std::span<float> values = Adjust(logits);
  const size_t best = IndexOfLargest(values);
  if (spec_.parameters.temperature == 0) return IdAt(best);
  if (values[best] == -std::numeric_limits<float>::infinity()) return IdAt(0);
  const std::span<const Candidate> candidates = Filter(Weigh(values, values[best]));
  return Draw(candidates, DrawBits(spec_.seed, spec_.sample_index, position));
}

std::span<float> Sampler::Adjust(std::span<const float> logits) {
  const SamplingParameters& parameters = spec_.parameters;
  for (size_t id = 0; id < adjusted_.size(); ++id) adjusted_[id] = BoundedLogit(logits[id]);
  for (const auto& [id, bias] : parameters.logit_bias) {
    float& logit = adjusted_[static_cast<size_t>(id)];
    logit = BoundedLogit(static_cast<double>(logit) + static_cast<double>(bias));
  }
  if (penalised_) history_.Penalise(parameters, adjusted_);
  if (parameters.allowed_ids.empty()) return adjusted_;
  // Ids ascend, so what is read has not been written.
  size_t count = 0;
  for (const int32_t id : parameters.allowed_ids) {
    adjusted_[count++] = adjusted_[static_cast<size_t>(id)];
  }
  return std::span(adjusted_).first(count);
}

std::span<Candidate> Sampler::Weigh(std::span<float> values, float largest) {
  for (float& value : values) value = (value - largest) * inverse_temperature_;
  Exponentials(values, exponentials_);
  size_t count = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const Mass mass = MassOf(exponentials_[i]);
    candidates_[count] = {values[i], IdAt(i), mass};
    count += mass > 0 ? 1 : 0;
  }
  return std::span(candidates_).first(count);
}

std::span<Candidate> Sampler::Filter(std::span<Candidate> candidates) {
  const SamplingParameters& parameters = spec_.parameters;
  candidates = KeepTopK(candidates, parameters.top_k, scratch_);
  candidates = KeepTopP(candidates, parameters.top_p, scratch_);
  candidates = KeepMinP(candidates, parameters.min_p);
  return KeepTypicalP(candidates, parameters.typical_p, scratch_);
}

int32_t Sampler::IdAt(size_t index) const {
  const std::vector<int32_t>& allowed = spec_.parameters.allowed_ids;
  return allowed.empty() ? static_cast<int32_t>(index) : allowed[index];
}

}  // namespace strided
