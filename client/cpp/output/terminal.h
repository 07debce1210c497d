// What a stream's other end can show.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_TERMINAL_H_
#define STRIDED_CLIENT_CPP_OUTPUT_TERMINAL_H_

#include <functional>
#include <optional>
#include <string>

namespace strided::client {

enum class Colours { kNone, k256, k24Bit };

struct Terminal {
  bool interactive = false;  // false: a file or a pipe, and nothing below means anything
  std::function<int()> columns = [] { return 80; };  // at this moment: windows are resized
  Colours colours = Colours::kNone;
};

// The value of an environment variable; none where it is unset.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// The colours that the environment promises: none with NO_COLOR or TERM=dumb, 24-bit with
// COLORTERM=truecolor or 24bit or a TERM of that kind, 256 with a TERM that says so.
Colours ColoursOf(const Environment& environment);

// Looks at an open descriptor. Thread-safe if `environment` is.
Terminal DetectTerminal(int descriptor, const Environment& environment);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_TERMINAL_H_
