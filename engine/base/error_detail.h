// What a program needs to know of an error beside its code and text: a stable
// reason, the field at fault, when to come back. Kept as payloads of
// absl::Status, so that the engine names them without knowing the wire format;
// server/service turns them into google.rpc details.
//
// All functions are thread-safe; those that attach leave an OK status alone.

#ifndef STRIDED_ENGINE_BASE_ERROR_DETAIL_H_
#define STRIDED_ENGINE_BASE_ERROR_DETAIL_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace strided {

// Why a call failed, for programs: google.rpc.ErrorInfo without its domain.
struct ErrorReason {
  std::string reason;                           // UPPER_SNAKE_CASE, e.g. "QUEUE_FULL"
  std::map<std::string, std::string> metadata;  // e.g. {"limit", "3072"}, {"given", "4000"}
};

// `status` with `reason`; replaces an earlier one.
absl::Status WithReason(absl::Status status, const ErrorReason& reason);
// None where no WithReason made one, or its payload cannot be read.
std::optional<ErrorReason> ReasonOf(const absl::Status& status);

// The path of the request's field that is wrong, e.g. "sampling.top_p".
absl::Status WithField(absl::Status status, absl::string_view field);
// None where no field is to blame.
std::optional<std::string> FieldOf(const absl::Status& status);

// The same call may succeed after `delay`, which is finite; kept to the nanosecond.
absl::Status WithRetryAfter(absl::Status status, absl::Duration delay);
// None where the error says nothing of another try.
std::optional<absl::Duration> RetryAfterOf(const absl::Status& status);

}  // namespace strided

#endif  // STRIDED_ENGINE_BASE_ERROR_DETAIL_H_
