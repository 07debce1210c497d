// What a command sees of the process that it runs in. Tests give it strings.

#ifndef STRIDED_CLIENT_CPP_COMMAND_CONSOLE_H_
#define STRIDED_CLIENT_CPP_COMMAND_CONSOLE_H_

#include "client/cpp/cancellation.h"
#include "client/cpp/output/byte_sink.h"
#include "client/cpp/output/live_lines.h"
#include "client/cpp/output/terminal.h"

namespace strided::client {

// Made by main for the process, by tests for one run. Used by the thread that runs the command.
// Pointees outlive the console.
struct Console {
  ByteSink* out = nullptr;    // results
  ByteSink* error = nullptr;  // progress and messages
  Terminal out_terminal;
  Terminal error_terminal;
  Cancellation* interrupted = nullptr;  // thrown by Ctrl-C and SIGTERM
  // Of progress and rates; tests give one of their own.
  TimeSource now = absl::Now;
  // Where STRIDED_TOKEN and the like are looked up.
  Environment environment;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_CONSOLE_H_
