#include "client/cpp/command/values.h"

#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cpp/command/outcome.h"

namespace strided::client {
namespace {

constexpr uint64_t kMostIds = uint64_t{1} << 20;

absl::Status Wrong(absl::string_view flag, const std::string& text, absl::string_view expected) {
  return UsageError(absl::StrCat(flag, ": '", text, "' is not ", expected));
}

template <typename Number>
absl::StatusOr<Number> ParseWhole(absl::string_view flag, const std::string& text) {
  Number number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  using Limits = std::numeric_limits<Number>;
  return Wrong(flag, text,
               absl::StrCat("a whole number from ", Limits::min(), " to ", Limits::max()));
}

}  // namespace

absl::StatusOr<uint64_t> ParseUint64(absl::string_view flag, const std::string& text) {
  return ParseWhole<uint64_t>(flag, text);
}

absl::StatusOr<uint32_t> ParseUint32(absl::string_view flag, const std::string& text) {
  return ParseWhole<uint32_t>(flag, text);
}

absl::StatusOr<int32_t> ParseInt32(absl::string_view flag, const std::string& text) {
  return ParseWhole<int32_t>(flag, text);
}

absl::StatusOr<float> ParseFloat(absl::string_view flag, const std::string& text) {
  float number = 0;
  if (absl::SimpleAtof(text, &number)) return number;
  return Wrong(flag, text, "a number");
}

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view flag, const std::string& text) {
  absl::Duration duration;
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds)) {
    duration = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &duration)) {
    return Wrong(flag, text, "a time such as 90, 1.5s or 2m");
  }
  if (duration > absl::ZeroDuration() && duration < absl::InfiniteDuration()) return duration;
  return Wrong(flag, text, "a time above 0 and below 2^63 seconds");
}

absl::StatusOr<std::string> ParseEscapes(absl::string_view flag, const std::string& text) {
  std::string bytes;
  if (absl::CUnescape(text, &bytes)) return bytes;
  return Wrong(flag, text, "text with C escapes (\\n, \\t, \\x1b, \\\\)");
}

absl::StatusOr<std::vector<uint32_t>> ParseIds(absl::string_view flag, const std::string& text) {
  constexpr absl::string_view kExpected = "a list of ids and ranges such as 65-90,97-122,10";
  std::vector<uint32_t> ids;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::vector<std::string> ends = absl::StrSplit(part, '-');
    uint32_t first = 0;
    uint32_t last = 0;
    if (ends.size() > 2 || !absl::SimpleAtoi(ends.front(), &first) ||
        !absl::SimpleAtoi(ends.back(), &last) || first > last) {
      return Wrong(flag, text, kExpected);
    }
    if (uint64_t{last} - first >= kMostIds - ids.size()) {
      return UsageError(absl::StrCat(flag, ": more than ", kMostIds, " ids"));
    }
    for (uint64_t id = first; id <= last; ++id) ids.push_back(static_cast<uint32_t>(id));
  }
  return ids;
}

absl::StatusOr<std::pair<std::string, std::string>> ParsePair(absl::string_view flag,
                                                              const std::string& text) {
  const size_t split = text.find('=');
  if (split == std::string::npos || split == 0 || split + 1 == text.size()) {
    return Wrong(flag, text, "of the form name=value");
  }
  return std::pair(text.substr(0, split), text.substr(split + 1));
}

}  // namespace strided::client
