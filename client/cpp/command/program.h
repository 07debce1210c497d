// The program `stride`, but for the process around it.

#ifndef STRIDED_CLIENT_CPP_COMMAND_PROGRAM_H_
#define STRIDED_CLIENT_CPP_COMMAND_PROGRAM_H_

#include <string>
#include <vector>

#include "client/cpp/command/console.h"

namespace strided::client {

// Parses `arguments` (without the program's name), runs what they ask for, reports an error as one
// line; returns the exit code (outcome.h).
int RunProgram(std::vector<std::string> arguments, const Console& console);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_PROGRAM_H_
