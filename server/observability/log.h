// The structured log: one JSON object a line on standard error.
//
//   Log(Severity::kInfo, "request finished", {{"request_id", id}, {"tokens", 812}});

#ifndef STRIDED_SERVER_OBSERVABILITY_LOG_H_
#define STRIDED_SERVER_OBSERVABILITY_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/string_view.h"

namespace strided {

// From least to most.
enum class Severity { kDebug, kInfo, kWarning, kError };

// A value of a field, by its type in JSON: a string, a number (whole or not), true or false.
using LogValue = std::variant<std::string, int64_t, double, bool>;
// A field's name, which lives as long as the call, and its value.
using LogField = std::pair<absl::string_view, LogValue>;

// Lines under `least` are dropped. Default kInfo. Thread-safe, as is Log.
void SetLogSeverity(Severity least);

// One line on standard error: {"time": RFC 3339 with microseconds, "severity", "message", then the
// fields}. Text that is not UTF-8 is escaped, never dropped. Lines of several threads do not mix.
void Log(Severity severity, absl::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace strided

#endif  // STRIDED_SERVER_OBSERVABILITY_LOG_H_
