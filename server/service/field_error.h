// Errors that name a request's field, its value and its limit.

#ifndef STRIDED_SERVER_SERVICE_FIELD_ERROR_H_
#define STRIDED_SERVER_SERVICE_FIELD_ERROR_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace strided {

// InvalidArgument "<field> <complaint>", with `field` attached (error_detail.h). `field` is the
// path from the request, e.g. "sampling.top_p"; `complaint` says what it is and what it must be.
absl::Status FieldError(absl::string_view field, absl::string_view complaint);

// OK where low <= value <= high; else a FieldError with the three numbers. `unit` follows the
// limits, e.g. "tokens"; it may be empty.
absl::Status CheckRange(absl::string_view field, int64_t value, int64_t low, int64_t high,
                        absl::string_view unit = "");

// A FieldError with reason CONTEXT_LENGTH_EXCEEDED {limit, given, unit}; `complaint` as above.
struct LengthExcess {
  int64_t limit = 0;
  int64_t given = 0;
  absl::string_view unit = "tokens";
};
absl::Status ContextLengthError(absl::string_view field, absl::string_view complaint,
                                const LengthExcess& excess);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_FIELD_ERROR_H_
