// The last lines of a terminal, redrawn in place: a progress bar, the row of a picture that is
// still being made. Other lines can be printed above them for good.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_LIVE_LINES_H_
#define STRIDED_CLIENT_CPP_OUTPUT_LIVE_LINES_H_

#include <array>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/cpp/output/byte_sink.h"

namespace strided::client {

// What time it is: absl::Now, or a test's own.
using TimeSource = std::function<absl::Time()>;

// Errors are those of writing to the terminal. Not thread-safe. Lines must fit the terminal's
// width: one that wraps would not be erased whole.
class LiveLines {
 public:
  enum Slot { kPicture, kProgress };  // from top to bottom

  // `terminal` outlives this. Call Clear before anything else writes to the same terminal.
  LiveLines(ByteSink* terminal, TimeSource now) : terminal_(terminal), now_(std::move(now)) {}

  // Replaces one live line; empty: takes it away. Redraws 20 times a second at most; a change in
  // between shows with the next one.
  absl::Status Set(Slot slot, std::string line);

  // Prints `line` above the live ones, for good.
  absl::Status Print(absl::string_view line);

  // Prints `line` for good where the live line of `slot` stood, which goes.
  absl::Status Replace(Slot slot, absl::string_view line);

  // Takes all live lines away.
  absl::Status Clear();

 private:
  absl::Status Draw(absl::string_view above);

  ByteSink* const terminal_;
  const TimeSource now_;
  std::array<std::string, 2> lines_;
  int drawn_ = 0;  // live lines on the terminal; the cursor stands at the end of the last
  absl::Time last_drawn_ = absl::InfinitePast();
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_LIVE_LINES_H_
