#include "server/config/setting.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(text), "\"");
}

// A setting of one value. `parse` takes text and gives StatusOr<T>; `write` takes a T.
template <typename T, typename Parse, typename Write>
Setting Single(const SettingRow& row, const std::string& type, T& value, Parse parse, Write write) {
  return {.name = row.name,
          .group = row.group,
          .meaning = row.meaning,
          .type = type,
          .set = [&value, parse](const std::vector<std::string>& texts) -> absl::Status {
            if (texts.size() != 1) return absl::InvalidArgumentError("one value");
            ASSIGN_OR_RETURN(value, parse(texts.front()));
            return absl::OkStatus();
          },
          .text = [&value, write] { return write(value); }};
}

// `parse` as for Single; "auto" is no value.
template <typename T, typename Parse, typename Write>
Setting OrAuto(const SettingRow& row, const std::string& type, std::optional<T>& value, Parse parse,
               Write write) {
  const auto parse_or_auto = [parse](const std::string& text) -> absl::StatusOr<std::optional<T>> {
    if (text == "auto") return std::nullopt;
    absl::StatusOr<T> parsed = parse(text);
    if (parsed.ok()) return *parsed;
    return absl::InvalidArgumentError(absl::StrCat("auto, or ", parsed.status().message()));
  };
  return Single(row, type + "|auto", value, parse_or_auto,
                [write](const std::optional<T>& present) {
                  return present.has_value() ? write(*present) : Quoted("auto");
                });
}

// Texts may hold several elements with commas between them; an empty one holds none.
absl::StatusOr<std::vector<std::string>> ParseList(const std::vector<std::string>& texts,
                                                   ParseText parse) {
  std::vector<std::string> elements;
  for (const std::string& text : texts) {
    if (text.empty()) continue;
    for (const absl::string_view part : absl::StrSplit(text, ',')) {
      ASSIGN_OR_RETURN(std::string element, parse(part));
      elements.push_back(std::move(element));
    }
  }
  return elements;
}

std::string WriteList(const std::vector<std::string>& elements) {
  const auto quote = [](std::string* out, const std::string& element) {
    absl::StrAppend(out, Quoted(element));
  };
  return absl::StrCat("[", absl::StrJoin(elements, ", ", quote), "]");
}

}  // namespace

Setting Count(const SettingRow& row, int& value, ValueRange<int> range) {
  return Single(
      row, "COUNT", value, [range](const std::string& text) { return ParseCount(text, range); },
      [](int count) { return absl::StrCat(count); });
}

Setting Bytes(const SettingRow& row, int64_t& value, ValueRange<int64_t> range) {
  return Single(
      row, "BYTES", value, [range](const std::string& text) { return ParseBytes(text, range); },
      [](int64_t bytes) { return Quoted(FormatBytes(bytes)); });
}

Setting CountOrAuto(const SettingRow& row, std::optional<int>& value, ValueRange<int> range) {
  return OrAuto(
      row, "COUNT", value, [range](const std::string& text) { return ParseCount(text, range); },
      [](int count) { return absl::StrCat(count); });
}

Setting BytesOrAuto(const SettingRow& row, std::optional<int64_t>& value,
                    ValueRange<int64_t> range) {
  return OrAuto(
      row, "BYTES", value, [range](const std::string& text) { return ParseBytes(text, range); },
      [](int64_t bytes) { return Quoted(FormatBytes(bytes)); });
}

Setting Fraction(const SettingRow& row, double& value, ValueRange<double> range) {
  return Single(
      row, "FRACTION", value,
      [range](const std::string& text) { return ParseFraction(text, range); },
      [](double fraction) { return absl::StrCat(fraction); });
}

Setting Time(const SettingRow& row, absl::Duration& value, ValueRange<absl::Duration> range) {
  return Single(
      row, "TIME", value, [range](const std::string& text) { return ParseDuration(text, range); },
      [](absl::Duration time) { return Quoted(absl::FormatDuration(time)); });
}

Setting Text(const SettingRow& row, const std::string& type, std::string& value, ParseText parse) {
  return Single(row, type, value, parse, [](const std::string& text) { return Quoted(text); });
}

Setting Choice(const SettingRow& row, std::string& value, std::vector<std::string> choices) {
  const std::string type = absl::StrJoin(choices, "|");
  const auto parse = [choices = std::move(choices)](const std::string& text) {
    return ParseChoice(text, choices);
  };
  return Single(row, type, value, parse, [](const std::string& text) { return Quoted(text); });
}

Setting List(const SettingRow& row, const std::string& type, std::vector<std::string>& value,
             ParseText parse, size_t least) {
  return {.name = row.name,
          .group = row.group,
          .meaning = row.meaning,
          .type = type,
          .is_list = true,
          .set = [&value, parse, least](const std::vector<std::string>& texts) -> absl::Status {
            ASSIGN_OR_RETURN(std::vector<std::string> elements, ParseList(texts, parse));
            if (elements.size() < least) return absl::InvalidArgumentError("at least one");
            value = std::move(elements);
            return absl::OkStatus();
          },
          .text = [&value] { return WriteList(value); }};
}

}  // namespace strided
