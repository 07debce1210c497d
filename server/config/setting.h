// One setting: its name, what it may be, where its value goes; and one function for each kind.

#ifndef STRIDED_SERVER_CONFIG_SETTING_H_
#define STRIDED_SERVER_CONFIG_SETTING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/config/setting_value.h"

namespace strided {

// One setting in all its forms: flag, environment variable and key of the configuration file have
// its name, and all three go through `set`.
struct Setting {
  std::string name;
  std::string group;    // of --help
  std::string meaning;  // one line
  std::string type;     // what a value looks like, e.g. "TIME"
  bool is_list = false;
  // Stores the value, or gives InvalidArgument that says what was expected. One text, but for a
  // list, which may have more.
  std::function<absl::Status(const std::vector<std::string>&)> set;
  // The present value as it would be written in a configuration file: 5, "30s", ["a", "b"].
  std::function<std::string()> text;
};

// What a setting is called, and how --help shows it.
struct SettingRow {
  std::string name;
  std::string group;
  std::string meaning;
};

// Text -> the value, or InvalidArgument with what was expected.
using ParseText = absl::StatusOr<std::string> (*)(absl::string_view text);

// A setting that reads and writes `value`, which outlives it. ...OrAuto: "auto" is no value.
Setting Count(const SettingRow& row, int& value, ValueRange<int> range);
Setting CountOrAuto(const SettingRow& row, std::optional<int>& value, ValueRange<int> range);
Setting Bytes(const SettingRow& row, int64_t& value, ValueRange<int64_t> range);
Setting BytesOrAuto(const SettingRow& row, std::optional<int64_t>& value,
                    ValueRange<int64_t> range);
Setting Fraction(const SettingRow& row, double& value, ValueRange<double> range);
Setting Time(const SettingRow& row, absl::Duration& value, ValueRange<absl::Duration> range);
// `type` is what a value looks like.
Setting Text(const SettingRow& row, const std::string& type, std::string& value, ParseText parse);
Setting Choice(const SettingRow& row, std::string& value, std::vector<std::string> choices);
// Of at least `least` elements, each of which `parse` takes. It may also be written as one text
// with commas.
Setting List(const SettingRow& row, const std::string& type, std::vector<std::string>& value,
             ParseText parse, size_t least);

}  // namespace strided

#endif  // STRIDED_SERVER_CONFIG_SETTING_H_
