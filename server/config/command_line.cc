#include "server/config/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "engine/base/status_macros.h"
#include "server/config/config_file.h"
#include "server/config/setting_table.h"

namespace strided {
namespace {

constexpr absl::string_view kVariablePrefix = "STRIDED_";

std::string VariableOf(absl::string_view name) {
  return absl::StrCat(kVariablePrefix, absl::AsciiStrToUpper(name));
}

// What the arguments say, not yet understood.
struct Arguments {
  ConfigEntries values;  // of the settings that are given
  std::optional<std::string> config;
  bool print_config = false;
  std::optional<std::string> answer;  // to --help or --version
};

// The file of settings that `source` names. Without this, an empty name would be a file not found,
// and the last of several would win.
absl::StatusOr<std::string> OneConfig(const std::vector<std::string>& names,
                                      absl::string_view source) {
  if (names.size() == 1 && !names.front().empty()) return names.front();
  return absl::InvalidArgumentError(absl::StrCat("config is \"",
                                                 absl::CHexEscape(absl::StrJoin(names, ",")),
                                                 "\" (", source, "); expected one file"));
}

// CLI11 takes "--name=" for a name whose value is the next argument.
std::vector<std::string> SplitEmptyValues(const std::vector<std::string>& arguments) {
  std::vector<std::string> split;
  for (absl::string_view argument : arguments) {
    const bool empty_value =
        absl::StartsWith(argument, "--") && absl::ConsumeSuffix(&argument, "=");
    split.emplace_back(argument);
    if (empty_value) split.emplace_back();
  }
  return split;
}

void DeclareSettings(const std::vector<Setting>& table, CLI::App& app) {
  app.get_formatter()->column_width(48);
  app.footer(
      "Each setting may also come from the variable STRIDED_<NAME IN CAPITALS>, or from a line\n"
      "`name = value` of the file that --config names. The command line wins over the variable,\n"
      "the variable over the file. server/README.md says more.");
  for (const Setting& setting : table) {
    CLI::Option* const option = app.add_option(absl::StrCat("--", setting.name));
    option->description(absl::StrCat(setting.meaning, " (default ", setting.text(), ")"));
    option->group(setting.group)->type_name(setting.type);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
}

// The library reports by exceptions; none leaves this function.
absl::StatusOr<Arguments> ReadArguments(const std::vector<Setting>& table,
                                        std::vector<std::string> arguments,
                                        const std::string& version) {
  Arguments parsed;
  CLI::App app("Serves samples of Sparse Transformers over gRPC.", "strided");
  try {
    DeclareSettings(table, app);
    CLI::Option* const config = app.add_option("--config");
    config->description("a file of settings, in TOML")->type_name("FILE");
    config->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_flag("--print_config")->description("print the settings in force, and end");
    app.set_version_flag("--version", version, "print the version, and end");
    app.allow_extras();
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app.parse(std::move(arguments));
    if (const std::vector<std::string> unknown = app.remaining(); !unknown.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown argument \"", absl::CHexEscape(unknown.front()), "\"; see --help"));
    }
    parsed.print_config = app.count("--print_config") > 0;
    if (config->count() > 0) {
      ASSIGN_OR_RETURN(parsed.config, OneConfig(config->results(), "--config"));
    }
    for (const Setting& setting : table) {
      const CLI::Option* const option = app.get_option(absl::StrCat("--", setting.name));
      if (option->count() > 0) parsed.values[setting.name] = option->results();
    }
  } catch (const CLI::CallForHelp&) {
    parsed.answer = app.help();
  } catch (const CLI::CallForVersion& asked) {
    parsed.answer = absl::StrCat(asked.what(), "\n");
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(error.what(), "; see --help"));
  }
  return parsed;
}

// Where values come from, the strongest first, with the words that errors name it by.
struct Source {
  const ConfigEntries* values;
  std::function<std::string(absl::string_view name)> describe;
};

absl::Status SetFrom(const std::vector<Source>& sources, const Setting& setting) {
  for (const Source& source : sources) {
    const auto found = source.values->find(setting.name);
    if (found == source.values->end()) continue;
    const absl::Status status = setting.set(found->second);
    if (status.ok()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(setting.name, " is \"", absl::CHexEscape(absl::StrJoin(found->second, ",")),
                     "\" (", source.describe(setting.name), "); expected ", status.message()));
  }
  return absl::OkStatus();
}

absl::Status CheckKeys(const std::vector<Setting>& table, const ConfigEntries& entries,
                       const std::string& path) {
  for (const auto& [key, values] : entries) {
    const bool known =
        std::any_of(table.begin(), table.end(),
                    [&key = key](const Setting& setting) { return setting.name == key; });
    if (!known) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": \"", absl::CHexEscape(key), "\" is no setting; see --help"));
    }
  }
  return absl::OkStatus();
}

ConfigEntries ValuesOf(const std::vector<Setting>& table, const Environment& environment) {
  ConfigEntries values;
  for (const Setting& setting : table) {
    const auto variable = environment.find(VariableOf(setting.name));
    if (variable != environment.end()) values[setting.name] = {variable->second};
  }
  return values;
}

std::string PrintConfig(const std::vector<Setting>& table) {
  std::string text;
  for (const Setting& setting : table) {
    absl::StrAppend(&text, "# ", setting.meaning, "\n", setting.name, " = ", setting.text(), "\n");
  }
  return text;
}

}  // namespace

Environment ReadEnvironment() {
  Environment variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::pair<std::string, std::string> variable =
        absl::StrSplit(*entry, absl::MaxSplits('=', 1));
    if (absl::StartsWith(variable.first, kVariablePrefix)) variables.insert(variable);
  }
  return variables;
}

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments,
                                             const Environment& environment,
                                             const std::string& version) {
  CommandLine line;
  const std::vector<Setting> table = SettingTable(line.settings);
  ASSIGN_OR_RETURN(Arguments given, ReadArguments(table, SplitEmptyValues(arguments), version));
  if (given.answer.has_value()) {
    line.answer = std::move(given.answer);
    return line;
  }
  if (const auto variable = environment.find(VariableOf("config"));
      !given.config.has_value() && variable != environment.end()) {
    ASSIGN_OR_RETURN(given.config, OneConfig({variable->second}, VariableOf("config")));
  }
  ConfigEntries file;
  if (given.config.has_value()) {
    ASSIGN_OR_RETURN(file, ReadConfigFile(*given.config));
    RETURN_IF_ERROR(CheckKeys(table, file, *given.config));
  }
  const ConfigEntries variables = ValuesOf(table, environment);
  const std::vector<Source> sources = {
      {&given.values, [](absl::string_view name) { return absl::StrCat("--", name); }},
      {&variables, VariableOf},
      {&file, [&given](absl::string_view) { return *given.config; }}};
  for (const Setting& setting : table) RETURN_IF_ERROR(SetFrom(sources, setting));
  RETURN_IF_ERROR(CheckTogether(line.settings));
  if (given.print_config) line.answer = PrintConfig(table);
  return line;
}

}  // namespace strided
