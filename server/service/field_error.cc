#include "server/service/field_error.h"

#include "absl/strings/str_cat.h"
#include "engine/base/error_detail.h"

namespace strided {

absl::Status FieldError(absl::string_view field, absl::string_view complaint) {
  return WithField(absl::InvalidArgumentError(absl::StrCat(field, " ", complaint)), field);
}

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t low, int64_t high,
                        absl::string_view unit) {
  if (value >= low && value <= high) return absl::OkStatus();
  return FieldError(field, absl::StrCat("is ", value, "; it must lie in [", low, ", ", high, "]",
                                        unit.empty() ? "" : " ", unit));
}

absl::Status ContextLengthError(absl::string_view field, absl::string_view complaint,
                                const LengthExcess& excess) {
  return WithReason(FieldError(field, complaint),
                    {.reason = "CONTEXT_LENGTH_EXCEEDED",
                     .metadata = {{"limit", absl::StrCat(excess.limit)},
                                  {"given", absl::StrCat(excess.given)},
                                  {"unit", std::string(excess.unit)}}});
}

}  // namespace strided
