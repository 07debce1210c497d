#include "engine/sampling/parameters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "engine/base/error_detail.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

// `complaint` completes the sentence that the field's path begins.
absl::Status Refuse(absl::string_view name, absl::string_view complaint) {
  const std::string field = absl::StrCat("sampling.", name);
  return WithField(absl::InvalidArgumentError(absl::StrCat(field, " ", complaint)), field);
}

// An interval, with the text that names it. A NaN lies in none.
struct Limits {
  double low;
  bool low_included;
  double high;
  bool high_included;
  absl::string_view text;

  bool Contain(double value) const {
    return (low_included ? value >= low : value > low) &&
           (high_included ? value <= high : value < high);
  }
};

// In as few digits as tell floats apart: one just above a limit must not be shown as the limit.
std::string ShortText(double value) {
  std::array<char, 32> text = {};
  const std::to_chars_result end =
      std::to_chars(text.data(), text.data() + text.size(), static_cast<float>(value));
  return std::string(text.data(), end.ptr);
}

absl::Status CheckNumber(absl::string_view name, double value, const Limits& limits) {
  if (limits.Contain(value)) return absl::OkStatus();
  return Refuse(name, absl::StrCat("is ", ShortText(value), "; it must lie in ", limits.text));
}

absl::Status CheckId(absl::string_view name, int32_t id, int vocab_size) {
  if (id >= 0 && id < vocab_size) return absl::OkStatus();
  return Refuse(
      name, absl::StrCat("names id ", id, "; ids of this model lie in [0, ", vocab_size - 1, "]"));
}

absl::Status CheckNumbers(const SamplingParameters& parameters) {
  constexpr Limits kShare = {0, false, 1, true, "(0, 1]"};
  constexpr Limits kAddend = {-2, true, 2, true, "[-2, 2]"};
  RETURN_IF_ERROR(
      CheckNumber("temperature", parameters.temperature, {0, true, 100, true, "[0, 100]"}));
  RETURN_IF_ERROR(CheckNumber("top_p", parameters.top_p, kShare));
  RETURN_IF_ERROR(CheckNumber("min_p", parameters.min_p, {0, true, 1, false, "[0, 1)"}));
  RETURN_IF_ERROR(CheckNumber("typical_p", parameters.typical_p, kShare));
  RETURN_IF_ERROR(CheckNumber("repetition_penalty", parameters.repetition_penalty,
                              {0, false, 10, true, "(0, 10]"}));
  RETURN_IF_ERROR(CheckNumber("presence_penalty", parameters.presence_penalty, kAddend));
  return CheckNumber("frequency_penalty", parameters.frequency_penalty, kAddend);
}

absl::Status CheckIds(const SamplingParameters& parameters, int vocab_size) {
  for (const auto& [id, bias] : parameters.logit_bias) {
    RETURN_IF_ERROR(CheckId("logit_bias", id, vocab_size));
    if (!std::isfinite(bias)) {
      return Refuse(absl::StrCat("logit_bias[", id, "]"),
                    absl::StrCat("is ", bias, "; it must be finite"));
    }
  }
  const std::vector<int32_t>& allowed = parameters.allowed_ids;
  for (size_t i = 0; i < allowed.size(); ++i) {
    RETURN_IF_ERROR(CheckId("allowed_ids", allowed[i], vocab_size));
    if (i > 0 && allowed[i] <= allowed[i - 1]) {
      return Refuse("allowed_ids", absl::StrCat("holds ", allowed[i], " after ", allowed[i - 1],
                                                "; ids must ascend without repeats"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateSampling(const SamplingParameters& parameters, int vocab_size) {
  if (parameters.top_k < 0 || parameters.top_k > vocab_size) {
    return Refuse("top_k", absl::StrCat("is ", parameters.top_k, "; it must lie in [0, ",
                                        vocab_size, "], the size of the vocabulary"));
  }
  RETURN_IF_ERROR(CheckNumbers(parameters));
  return CheckIds(parameters, vocab_size);
}

bool Penalises(const SamplingParameters& parameters) {
  return parameters.repetition_penalty != 1 || parameters.presence_penalty != 0 ||
         parameters.frequency_penalty != 0;
}

float InverseTemperature(const SamplingParameters& parameters) {
  constexpr double kLargestInverse = 1e30;
  if (parameters.temperature == 0) return 0;
  return static_cast<float>(std::min(1 / parameters.temperature, kLargestInverse));
}

}  // namespace strided
