// `stride-convert`: published checkpoints to model directories. See engine/checkpoint/README.md.

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <iostream>

#include "engine/checkpoint/convert_program.h"

namespace {

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

}  // namespace

int main(int argc, char** argv) {
  const auto interrupt = [](int) { interrupted.store(true, std::memory_order_relaxed); };
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
  const strided::SystemClock clock;
  strided::ConvertConsole console;
  console.out = &std::cout;
  console.error = &std::cerr;
  console.error_is_terminal = isatty(STDERR_FILENO) == 1;
  console.clock = &clock;
  console.interrupted = &interrupted;
  return strided::RunConvert({argv + 1, argv + argc}, console);
}
