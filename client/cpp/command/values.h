// Values of flags. Every error is a UsageError that names the flag, the value and what is expected;
// whether a number is in range is the server's to say, so that no limit is written down twice.

#ifndef STRIDED_CLIENT_CPP_COMMAND_VALUES_H_
#define STRIDED_CLIENT_CPP_COMMAND_VALUES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace strided::client {

// A whole number of the type's range, without a sign where that has none.
absl::StatusOr<uint64_t> ParseUint64(absl::string_view flag, const std::string& text);
absl::StatusOr<uint32_t> ParseUint32(absl::string_view flag, const std::string& text);
absl::StatusOr<int32_t> ParseInt32(absl::string_view flag, const std::string& text);
// A decimal number. Range is the server's to judge, which knows the field.
absl::StatusOr<float> ParseFloat(absl::string_view flag, const std::string& text);

// "90", "1.5", "90s", "2m", "1h30m": seconds, or units as written; above 0 and below 2^63 seconds.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view flag, const std::string& text);

// C escapes: "\n", "\t", "\x1b", "\0", "\\".
absl::StatusOr<std::string> ParseEscapes(absl::string_view flag, const std::string& text);

// "65-90,97-122,10": ids in the order given. At most 2^20 of them.
absl::StatusOr<std::vector<uint32_t>> ParseIds(absl::string_view flag, const std::string& text);

// "name=value", split at the first '='; neither part is empty.
absl::StatusOr<std::pair<std::string, std::string>> ParsePair(absl::string_view flag,
                                                              const std::string& text);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_VALUES_H_
