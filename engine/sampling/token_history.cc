#include "engine/sampling/token_history.h"

#include <cstddef>

#include "engine/sampling/soft_maximum.h"

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
  for (const int32_t id : seen_) {
    float& logit = logits[static_cast<size_t>(id)];
    const int32_t count = generated_[static_cast<size_t>(id)];
    double value = logit;
    value =
        value > 0 ? value / parameters.repetition_penalty : value * parameters.repetition_penalty;
    if (count > 0) value -= parameters.frequency_penalty * count + parameters.presence_penalty;
    logit = BoundedLogit(value);
  }
}

}  // namespace strided
