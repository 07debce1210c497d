#include "server/service/request_fields.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/quoted.h"
#include "engine/base/status_macros.h"
#include "server/service/field_error.h"
#include "server/service/limits.h"

namespace strided {
namespace {

std::string ConditionNames(const ModelConfig& config) {
  if (config.conditions.empty()) return "none";
  return absl::StrJoin(config.conditions, ", ", [](std::string* out, const Condition& condition) {
    absl::StrAppend(out, condition.name);
  });
}

}  // namespace

Arrival MakeArrival(const Clock& clock) {
  absl::BitGen entropy;
  constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();
  return {
      .time = clock.Now(),
      .seed = absl::Uniform<uint64_t>(absl::IntervalClosed, entropy, 0, kLargest),
      .request_id = absl::StrCat(absl::Hex(
          absl::Uniform<uint64_t>(absl::IntervalClosed, entropy, 0, kLargest), absl::kZeroPad16))};
}

absl::StatusOr<std::string> ParseRequestId(absl::string_view request_id, std::string otherwise) {
  if (request_id.empty()) return otherwise;
  if (request_id.size() > kMaxRequestIdBytes) {
    return FieldError("request_id", absl::StrCat("has ", request_id.size(), " bytes; at most ",
                                                 kMaxRequestIdBytes));
  }
  const auto wrong = std::find_if_not(request_id.begin(), request_id.end(),
                                      [](unsigned char c) { return absl::ascii_isprint(c); });
  if (wrong != request_id.end()) {
    return FieldError(
        "request_id",
        absl::StrCat("is ", Quoted(request_id), " with byte ", static_cast<uint8_t>(*wrong), " at ",
                     wrong - request_id.begin(), "; it must be printable ASCII"));
  }
  return std::string(request_id);
}

absl::StatusOr<std::vector<int>> ParseConditions(
    const google::protobuf::Map<std::string, uint32_t>& conditions, const ModelConfig& config) {
  std::vector<int> values(config.conditions.size(), 0);
  for (const auto& [name, value] : conditions) {
    const std::string path = absl::StrCat("conditions[", Quoted(name), "]");
    const auto known =
        std::find_if(config.conditions.begin(), config.conditions.end(),
                     [&key = name](const Condition& condition) { return condition.name == key; });
    if (known == config.conditions.end()) {
      return FieldError(
          path, absl::StrCat("is no condition of this model, which has ", ConditionNames(config)));
    }
    RETURN_IF_ERROR(CheckRange(path, value, 0, known->values - 1));
    values[static_cast<size_t>(known - config.conditions.begin())] = static_cast<int>(value);
  }
  return values;
}

absl::StatusOr<int> ParseTopLogprobs(absl::string_view field, uint32_t top_logprobs,
                                     const ModelConfig& config) {
  RETURN_IF_ERROR(
      CheckRange(field, top_logprobs, 0, std::min<int64_t>(kMaxTopLogprobs, config.vocab_size)));
  return static_cast<int>(top_logprobs);
}

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view field,
                                             const google::protobuf::Duration& duration) {
  constexpr int64_t kMaxSeconds = 315'576'000'000;  // as duration.proto says
  constexpr int32_t kMaxNanos = 999'999'999;
  RETURN_IF_ERROR(
      CheckRange(absl::StrCat(field, ".seconds"), duration.seconds(), -kMaxSeconds, kMaxSeconds));
  RETURN_IF_ERROR(
      CheckRange(absl::StrCat(field, ".nanos"), duration.nanos(), -kMaxNanos, kMaxNanos));
  if ((duration.seconds() > 0 && duration.nanos() < 0) ||
      (duration.seconds() < 0 && duration.nanos() > 0)) {
    return FieldError(field, absl::StrCat("has ", duration.seconds(), " seconds and ",
                                          duration.nanos(), " nanos; their signs must be equal"));
  }
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::Status CheckFitsDevice(absl::string_view field, int length, const ServedModel& model) {
  const int64_t given = model.executor().CacheBytes(length);
  const int64_t limit = model.cache_capacity_bytes();
  if (given <= limit) return absl::OkStatus();
  return ContextLengthError(field,
                            absl::StrCat("needs ", given, " bytes of cache for ", length,
                                         " tokens; the device has ", limit),
                            {.limit = limit, .given = given, .unit = "bytes"});
}

}  // namespace strided
