#include "client/cpp/command/parsing.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/command/outcome.h"

namespace strided::client {

absl::StatusOr<std::string> ParseArguments(std::vector<std::string> arguments, CLI::App& app) {
  // Unknown arguments are reported in our own words.
  app.allow_extras();
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
  if (unknown.empty()) return "";
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  return UsageError(absl::StrCat("unknown argument '", unknown.front(), "'; see ", app.get_name(),
                                 " ", chosen.empty() ? "" : chosen.front()->get_name() + " ",
                                 "--help"));
}

}  // namespace strided::client
