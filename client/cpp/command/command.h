// One subcommand of `stride`.

#ifndef STRIDED_CLIENT_CPP_COMMAND_COMMAND_H_
#define STRIDED_CLIENT_CPP_COMMAND_COMMAND_H_

#include "absl/status/status.h"
#include "client/cpp/command/console.h"

namespace CLI {
class App;
}  // namespace CLI

namespace strided::client {

// Made before the command line is parsed, since its members are what the parser fills in.
class Command {
 public:
  virtual ~Command() = default;

  // Adds the subcommand to the program's parser, which does not outlive this. Called once.
  virtual void AddTo(CLI::App* program) = 0;

  // Does it, after parsing. A UsageError (outcome.h) where the arguments make no sense, else the
  // first error of the server or of the output.
  virtual absl::Status Run(const Console& console) = 0;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_COMMAND_H_
