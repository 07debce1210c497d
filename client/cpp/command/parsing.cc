#include "client/cpp/command/parsing.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/output/utf8.h"

namespace strided::client {
namespace {

// The parser takes "--name=" for a flag whose value is the next argument.
void DetachEmptyValues(std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string& argument = arguments[i];
    if (!absl::StartsWith(argument, "--") || !absl::EndsWith(argument, "=")) continue;
    argument.pop_back();
    arguments.emplace(arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }
}

bool IsUtf8(const std::string& text) {
  Utf8Joiner joiner;
  const std::string joined = joiner.Add(text);
  return joined + joiner.Finish() == text;
}

// Refuses what would be taken for a flag that was not given, such as the variable of a script that
// is not set; and what the contract's texts cannot carry.
absl::Status CheckValue(const CLI::Option& option, const std::string& value) {
  const std::string type = option.get_type_name();
  if (type == "TEXT" || type == "FILE") {
    if (!value.empty() || type == "TEXT") return absl::OkStatus();
  } else if (!IsUtf8(value)) {
    return UsageError(absl::StrCat(option.get_name(), ": the value is not UTF-8"));
  }
  if (!value.empty() || type == "NAME" || type == "ID") return absl::OkStatus();
  return UsageError(absl::StrCat(option.get_name(), ": the value is empty"));
}

absl::Status CheckValues(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& value : option->results()) {
      if (absl::Status status = CheckValue(*option, value); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ParseArguments(std::vector<std::string> arguments, CLI::App& app) {
  DetachEmptyValues(arguments);
  // Unknown arguments are reported in our own words.
  app.allow_extras();
  app.require_subcommand(0, 1);
  for (CLI::App* subcommand : app.get_subcommands({})) subcommand->allow_extras();
  std::reverse(arguments.begin(), arguments.end());  // as the parser wants them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::Success& request) {
    std::ostringstream help;
    app.exit(request, help, help);
    return help.str();
  } catch (const CLI::ParseError& error) {
    return UsageError(error.what());
  }
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  if (unknown.empty()) {
    absl::Status values = CheckValues(chosen.empty() ? app : *chosen.front());
    if (!values.ok()) return values;
    return "";
  }
  return UsageError(absl::StrCat("unknown argument '", unknown.front(), "'; see ", app.get_name(),
                                 " ", chosen.empty() ? "" : chosen.front()->get_name() + " ",
                                 "--help"));
}

}  // namespace strided::client
