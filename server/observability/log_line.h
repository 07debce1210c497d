// The text of one line of the log.

#ifndef STRIDED_SERVER_OBSERVABILITY_LOG_LINE_H_
#define STRIDED_SERVER_OBSERVABILITY_LOG_LINE_H_

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/observability/log.h"

namespace strided {

// "DEBUG", "INFO", "WARNING" or "ERROR".
absl::string_view SeverityName(Severity severity);

// One JSON object and a newline; see Log in log.h.
std::string FormatLogLine(absl::Time when, Severity severity, absl::string_view message,
                          std::initializer_list<LogField> fields);

// `text` where it is UTF-8; each byte that is not part of a character becomes "\xNN", four
// characters, so that no byte is lost.
std::string EscapeToUtf8(absl::string_view text);

}  // namespace strided

#endif  // STRIDED_SERVER_OBSERVABILITY_LOG_LINE_H_
