#include "server/config/config_file.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <exception>
#include <iterator>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/file.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

constexpr int64_t kMaxConfigBytes = 1 << 20;

// The library reports by exceptions; none leaves this function.
absl::StatusOr<std::vector<CLI::ConfigItem>> ParseToml(const std::string& contents) {
  try {
    std::istringstream stream(contents);
    return CLI::ConfigTOML().from_config(stream);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

}  // namespace

absl::StatusOr<ConfigEntries> ReadConfigFile(const std::string& path) {
  const auto refused = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
  };
  ASSIGN_OR_RETURN(const std::string contents, ReadSmallFile(path, kMaxConfigBytes));
  absl::StatusOr<std::vector<CLI::ConfigItem>> items = ParseToml(contents);
  if (!items.ok()) return refused(items.status().message());
  ConfigEntries entries;
  for (CLI::ConfigItem& item : *items) {
    if (!item.parents.empty()) {
      return refused(absl::StrCat("section [", item.parents.front(), "]; expected none"));
    }
    std::vector<std::string>& values = entries[item.name];
    std::move(item.inputs.begin(), item.inputs.end(), std::back_inserter(values));
  }
  return entries;
}

}  // namespace strided
