#include "server/observability/log_line.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace strided {
namespace {

// Bytes of the character that starts `text`, or 0 where none does (Unicode 15, table 3-7: overlong
// forms, surrogates and what lies beyond U+10FFFF are no characters). Requires text not empty.
size_t CharacterBytes(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t size = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (size == 0 || text.size() < size) return 0;
  const unsigned char least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < least || byte(1) > most) return 0;
  for (size_t i = 2; i < size; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return size;
}

nlohmann::ordered_json ToJson(const LogValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return EscapeToUtf8(*text);
  if (const auto* integer = std::get_if<int64_t>(&value)) return *integer;
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean;
  const double number = std::get<double>(value);
  if (std::isfinite(number)) return number;
  return absl::StrCat(number);  // JSON has no number for these
}

}  // namespace

absl::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return "DEBUG";
    case Severity::kInfo:
      return "INFO";
    case Severity::kWarning:
      return "WARNING";
    case Severity::kError:
      return "ERROR";
  }
  return "ERROR";
}

std::string EscapeToUtf8(absl::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const size_t bytes = CharacterBytes(text);
    if (bytes == 0) {
      absl::StrAppend(&escaped, "\\x", absl::BytesToHexString(text.substr(0, 1)));
      text.remove_prefix(1);
    } else {
      absl::StrAppend(&escaped, text.substr(0, bytes));
      text.remove_prefix(bytes);
    }
  }
  return escaped;
}

std::string FormatLogLine(absl::Time when, Severity severity, absl::string_view message,
                          std::initializer_list<LogField> fields) {
  nlohmann::ordered_json line;
  line["time"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", when, absl::UTCTimeZone());
  line["severity"] = std::string(SeverityName(severity));
  line["message"] = EscapeToUtf8(message);
  for (const auto& [name, value] : fields) line[EscapeToUtf8(name)] = ToJson(value);
  return absl::StrCat(line.dump(), "\n");
}

}  // namespace strided
