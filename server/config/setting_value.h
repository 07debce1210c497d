// Values of settings as text: durations, sizes, addresses.
//
// Every parser gives InvalidArgument whose text says what was expected, and nothing of what was
// found: whoever calls it names the setting, the value and where it came from.

#ifndef STRIDED_SERVER_CONFIG_SETTING_VALUE_H_
#define STRIDED_SERVER_CONFIG_SETTING_VALUE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace strided {

// Both ends included.
template <typename T>
struct ValueRange {
  T least;
  T most;
};

// A decimal number, nothing around it, within `range`.
absl::StatusOr<int> ParseCount(absl::string_view text, ValueRange<int> range);

// A decimal fraction, such as 0.9.
absl::StatusOr<double> ParseFraction(absl::string_view text, ValueRange<double> range);

// "500ms", "5s", "1m30s", "0": a number with a unit, or several of them, within `range`.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text,
                                             ValueRange<absl::Duration> range);

// "1048576", "512KiB", "16MiB", "4GiB", "1TiB": bytes, or whole binary units, within `range`.
absl::StatusOr<int64_t> ParseBytes(absl::string_view text, ValueRange<int64_t> range);
// The shortest text that ParseBytes reads as `bytes`.
std::string FormatBytes(int64_t bytes);

// One of `choices`, in exactly this spelling; the error lists them.
absl::StatusOr<std::string> ParseChoice(absl::string_view text,
                                        const std::vector<std::string>& choices);

// "auto", "cpu", "cuda" or "cuda:N". Whether the program has that device is not asked here.
absl::StatusOr<std::string> ParseDevice(absl::string_view text);
// "cuda:N", or "all".
absl::StatusOr<std::string> ParseGpu(absl::string_view text);

// "host:port", an IPv6 host in brackets, the port 0 to 65535. A lone port is refused: it would mean
// every interface.
absl::StatusOr<std::string> ParseTcpAddress(absl::string_view text);

// As ParseTcpAddress, or "unix:/path" with at most 107 bytes of absolute path (unix(7)).
absl::StatusOr<std::string> ParseListenAddress(absl::string_view text);

}  // namespace strided

#endif  // STRIDED_SERVER_CONFIG_SETTING_VALUE_H_
