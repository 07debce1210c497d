#include "client/cpp/command/process.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <optional>
#include <string>

#include "client/cpp/command/interrupt_watcher.h"

namespace strided::client {
namespace {

std::optional<std::string> EnvironmentVariable(const std::string& name) {
  // Main changed the environment before there were other threads.
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
  if (value == nullptr) return std::nullopt;
  return value;
}

}  // namespace

int RunInProcess(const Program& program, int argc, char** argv) {
  // gRPC's own log would mix with our messages, which say the same. Set it to see it.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);  // NOLINT(concurrency-mt-unsafe)
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of Write, which ends us quietly
  Cancellation interrupted;
  const InterruptWatcher watcher(&interrupted);
  FileSink out(STDOUT_FILENO, "standard output");
  FileSink error(STDERR_FILENO, "standard error");
  Console console;
  console.out = &out;
  console.error = &error;
  console.environment = EnvironmentVariable;
  console.out_terminal = DetectTerminal(STDOUT_FILENO, console.environment);
  console.error_terminal = DetectTerminal(STDERR_FILENO, console.environment);
  console.interrupted = &interrupted;
  return program(std::vector<std::string>(argv + 1, argv + argc), console);
}

}  // namespace strided::client
