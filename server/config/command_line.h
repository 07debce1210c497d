// Reads the settings from where an operator writes them.
//
// The command line wins over the environment, that over the configuration file, that over the
// defaults of settings.h. A list replaces the one below it; it does not add to it.

#ifndef STRIDED_SERVER_CONFIG_COMMAND_LINE_H_
#define STRIDED_SERVER_CONFIG_COMMAND_LINE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/settings.h"

namespace strided {

using Environment = std::map<std::string, std::string>;

struct CommandLine {
  ServerSettings settings;
  // What --help, --version or --print_config asks for: the program prints it and ends. For the
  // first two nothing else was read.
  std::optional<std::string> answer;
};

// The variables of this process whose names start with "STRIDED_".
Environment ReadEnvironment();

// `arguments` are those after the program's name; `version` is the answer to --version. The file is
// the one that --config or STRIDED_CONFIG names, in TOML's form `key = value`, at most 1 MiB.
//
// InvalidArgument with the setting, the value, where it came from and what was expected, for the
// first one that is wrong; for an argument or a key of the file that is no setting; for settings
// that do not fit together. Variables that are no setting are left alone: Kubernetes makes some of
// its own, such as STRIDED_PORT for a service named "strided". NotFound and others where the file
// cannot be read.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments,
                                             const Environment& environment,
                                             const std::string& version);

}  // namespace strided

#endif  // STRIDED_SERVER_CONFIG_COMMAND_LINE_H_
