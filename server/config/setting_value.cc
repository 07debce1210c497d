#include "server/config/setting_value.h"

#include <array>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace strided {
namespace {

constexpr std::array<std::pair<absl::string_view, int64_t>, 4> kByteUnits = {
    {{"TiB", int64_t{1} << 40},
     {"GiB", int64_t{1} << 30},
     {"MiB", int64_t{1} << 20},
     {"KiB", int64_t{1} << 10}}};

// SimpleAtoi takes signs and spaces, too.
bool IsDigits(absl::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == absl::string_view::npos;
}

bool IsNumberedGpu(absl::string_view text) {
  return absl::ConsumePrefix(&text, "cuda:") && IsDigits(text) && text.size() <= 3;
}

// -1 where `text` is no size.
int64_t BytesOrMinusOne(absl::string_view text) {
  int64_t unit = 1;
  for (const auto& [suffix, bytes] : kByteUnits) {
    if (absl::ConsumeSuffix(&text, suffix)) {
      unit = bytes;
      break;
    }
  }
  int64_t count = 0;
  if (!IsDigits(text) || !absl::SimpleAtoi(text, &count)) return -1;
  return count <= std::numeric_limits<int64_t>::max() / unit ? count * unit : -1;
}

}  // namespace

absl::StatusOr<int> ParseCount(absl::string_view text, ValueRange<int> range) {
  int count = 0;
  if (IsDigits(text) && absl::SimpleAtoi(text, &count) && count >= range.least &&
      count <= range.most) {
    return count;
  }
  return absl::InvalidArgumentError(absl::StrCat(range.least, " to ", range.most));
}

absl::StatusOr<double> ParseFraction(absl::string_view text, ValueRange<double> range) {
  double fraction = 0;
  if (!text.empty() && text.find_first_not_of("0123456789.") == absl::string_view::npos &&
      absl::SimpleAtod(text, &fraction) && fraction >= range.least && fraction <= range.most) {
    return fraction;
  }
  return absl::InvalidArgumentError(absl::StrCat(range.least, " to ", range.most));
}

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text,
                                             ValueRange<absl::Duration> range) {
  absl::Duration time;
  if (absl::ParseDuration(text, &time) && time >= range.least && time <= range.most) return time;
  return absl::InvalidArgumentError(absl::StrCat("a time with its unit, from ",
                                                 absl::FormatDuration(range.least), " to ",
                                                 absl::FormatDuration(range.most)));
}

absl::StatusOr<int64_t> ParseBytes(absl::string_view text, ValueRange<int64_t> range) {
  const int64_t bytes = BytesOrMinusOne(text);
  if (bytes >= range.least && bytes <= range.most) return bytes;
  return absl::InvalidArgumentError(absl::StrCat("bytes from ", FormatBytes(range.least), " to ",
                                                 FormatBytes(range.most), ", such as 64MiB"));
}

std::string FormatBytes(int64_t bytes) {
  for (const auto& [suffix, unit] : kByteUnits) {
    if (bytes > 0 && bytes % unit == 0) return absl::StrCat(bytes / unit, suffix);
  }
  return absl::StrCat(bytes);
}

absl::StatusOr<std::string> ParseChoice(absl::string_view text,
                                        const std::vector<std::string>& choices) {
  for (const std::string& choice : choices) {
    if (text == choice) return choice;
  }
  return absl::InvalidArgumentError(absl::StrJoin(choices, ", "));
}

absl::StatusOr<std::string> ParseDevice(absl::string_view text) {
  if (text == "auto" || text == "cpu" || text == "cuda" || IsNumberedGpu(text)) {
    return std::string(text);
  }
  return absl::InvalidArgumentError("auto, cpu, cuda or cuda:N");
}

absl::StatusOr<std::string> ParseGpu(absl::string_view text) {
  if (text == "all" || IsNumberedGpu(text)) return std::string(text);
  return absl::InvalidArgumentError("all, or one or more of cuda:N");
}

absl::StatusOr<std::string> ParseTcpAddress(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon != absl::string_view::npos) {
    const absl::string_view host = text.substr(0, colon);
    const absl::string_view port_text = text.substr(colon + 1);
    const bool bracketed = absl::StartsWith(host, "[") && absl::EndsWith(host, "]");
    int port = 0;
    if (!host.empty() && (bracketed || !absl::StrContains(host, ':')) &&
        host.find_first_of(" \t,/") == absl::string_view::npos && IsDigits(port_text) &&
        absl::SimpleAtoi(port_text, &port) && port <= 65535) {
      return std::string(text);
    }
  }
  return absl::InvalidArgumentError("host:port with a port from 0 to 65535");
}

absl::StatusOr<std::string> ParseListenAddress(absl::string_view text) {
  constexpr size_t kMaxSocketPath = 107;
  absl::string_view path = text;
  if (!absl::ConsumePrefix(&path, "unix:")) return ParseTcpAddress(text);
  if (absl::StartsWith(path, "/") && path.size() > 1 && path.size() <= kMaxSocketPath) {
    return std::string(text);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unix: and an absolute path of at most ", kMaxSocketPath, " bytes"));
}

}  // namespace strided
