// The process around a program of the command line: signals, standard streams, terminals.

#ifndef STRIDED_CLIENT_CPP_COMMAND_PROCESS_H_
#define STRIDED_CLIENT_CPP_COMMAND_PROCESS_H_

#include <functional>
#include <string>
#include <vector>

#include "client/cpp/command/console.h"

namespace strided::client {

// Takes the arguments without the program's name; returns the exit code (outcome.h).
using Program = std::function<int(std::vector<std::string> arguments, const Console& console)>;

// Runs `program` with the console of this process, and returns what it returns. Called once, from
// main, before there is any other thread. Ctrl-C and SIGTERM throw Console::interrupted; a closed
// pipe is an error of Write; gRPC's own log is off unless GRPC_VERBOSITY is set.
int RunInProcess(const Program& program, int argc, char** argv);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_PROCESS_H_
