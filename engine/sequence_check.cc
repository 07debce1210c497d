#include "engine/sequence_check.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "engine/base/status_macros.h"
#include "engine/sampling/parameters.h"

namespace strided {
namespace {

absl::Status CheckRange(absl::string_view name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", value, "; it must be ", low, " to ", high));
}

}  // namespace

absl::Status CheckSequenceSpec(const SequenceSpec& spec, const ModelConfig& config) {
  RETURN_IF_ERROR(CheckRange("max_length", spec.max_length, 1, config.context_length));
  RETURN_IF_ERROR(CheckRange("prompt_length", spec.prompt_length, 0, config.context_length));
  RETURN_IF_ERROR(CheckRange("top_logprobs", spec.top_logprobs, 0, config.vocab_size));
  const auto conditions = static_cast<int64_t>(config.conditions.size());
  RETURN_IF_ERROR(CheckRange("the number of condition_values",
                             static_cast<int64_t>(spec.condition_values.size()), conditions,
                             conditions));
  for (size_t i = 0; i < config.conditions.size(); ++i) {
    RETURN_IF_ERROR(CheckRange(absl::StrCat("condition ", config.conditions[i].name),
                               spec.condition_values[i], 0, config.conditions[i].values - 1));
  }
  return ValidateSampling(spec.sampling, config.vocab_size);
}

int32_t FirstInput(const ModelConfig& config) {
  return config.has_start_vector ? kStartInput : config.start_token.value_or(0);
}

absl::Status CheckFork(const SequenceSpec& spec, const SequenceSpec& parent) {
  if (spec.max_length == parent.max_length && spec.prompt_length == parent.prompt_length &&
      spec.condition_values == parent.condition_values) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "a fork has its parent's max_length, prompt_length and condition_values");
}

}  // namespace strided
