// `stride-convert`, given what it sees of its process.

#ifndef STRIDED_ENGINE_CHECKPOINT_CONVERT_PROGRAM_H_
#define STRIDED_ENGINE_CHECKPOINT_CONVERT_PROGRAM_H_

#include <atomic>
#include <ostream>
#include <string>
#include <vector>

#include "engine/base/clock.h"

namespace strided {

// Pointees outlive the call.
struct ConvertConsole {
  std::ostream* out = nullptr;     // one line about the model that was made
  std::ostream* error = nullptr;   // progress and messages
  bool error_is_terminal = false;  // progress is shown there alone
  const Clock* clock = nullptr;    // when to show it
  // Set by Ctrl-C, at any time; looked at between tensors. Relaxed: it orders nothing.
  const std::atomic<bool>* interrupted = nullptr;
};

// Runs the program on what follows its name. The exit code: 0 done, 1 the output cannot be written
// or the system refuses something, 2 the arguments or files that they name are wrong, 130
// interrupted; beside 0 one line on `error` says why.
int RunConvert(std::vector<std::string> arguments, const ConvertConsole& console);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_CONVERT_PROGRAM_H_
