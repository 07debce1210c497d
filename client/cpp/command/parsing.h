// A command line, taken apart.

#ifndef STRIDED_CLIENT_CPP_COMMAND_PARSING_H_
#define STRIDED_CLIENT_CPP_COMMAND_PARSING_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace CLI {
class App;
}  // namespace CLI

namespace strided::client {

// Fills in what `app` and its subcommands, of which at most one is taken, were told to fill in. The
// text of --help or --version where that is what was asked for; empty where the program is to run.
// A UsageError where the arguments do not parse, one of them is unknown, or a value is empty that
// is no TEXT, NAME or ID, or not UTF-8 that is no TEXT or FILE. The parser's exceptions end here.
absl::StatusOr<std::string> ParseArguments(std::vector<std::string> arguments, CLI::App& app);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_PARSING_H_
