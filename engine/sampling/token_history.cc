#include "engine/sampling/token_history.h"

#include <cstddef>

#include "engine/sampling/fixed_arithmetic.h"

namespace strided {
namespace {

constexpr int32_t kUnseen = -1;

}  // namespace

TokenHistory::TokenHistory(int vocab_size, int prompt_length)
    : prompt_length_(prompt_length), generated_(static_cast<size_t>(vocab_size), kUnseen) {
  seen_.reserve(static_cast<size_t>(vocab_size));
}

void TokenHistory::Observe(int position, int32_t token) {
  int32_t& count = generated_[static_cast<size_t>(token)];
  if (count == kUnseen) {
    count = 0;
    seen_.push_back(token);
  }
  if (position >= prompt_length_) ++count;
}

void TokenHistory::Penalise(const SamplingParameters& parameters, std::span<float> logits) const {
  const Penalties penalties = {parameters.repetition_penalty, parameters.presence_penalty,
                               parameters.frequency_penalty};
  for (const int32_t id : seen_) {
    float& logit = logits[static_cast<size_t>(id)];
    logit = Penalised(logit, generated_[static_cast<size_t>(id)], penalties);
  }
}

}  // namespace strided
