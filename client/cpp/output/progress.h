// How far a generation or a scoring has come, on the error stream.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_PROGRESS_H_
#define STRIDED_CLIENT_CPP_OUTPUT_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cpp/output/live_lines.h"

namespace strided::client {

// How far something is.
struct ProgressState {
  uint64_t done = 0;  // tokens
  std::optional<uint64_t> total = std::nullopt;
  double tokens_per_second = 0;
};

// One line: "1,234/3,072 tokens  40 %  [####------]  85.2 tokens/s  ETA 0:22", the bar as wide as
// `columns` leave room for, 30 at most; what needs a total is left out where there is none.
std::string ProgressBar(const ProgressState& state, int columns);

// The same without the bar.
std::string ProgressText(const ProgressState& state);

// Says nothing of what takes less than a second. On a terminal the line is redrawn in place, and
// stays until the LiveLines are cleared; elsewhere a line comes every five seconds. Not
// thread-safe.
class Progress {
 public:
  // Exactly one of `live` and `plain` is given, or none for silence; they outlive this.
  struct Place {
    LiveLines* live = nullptr;
    ByteSink* plain = nullptr;
    std::function<int()> columns = [] { return 80; };  // of the terminal, at this moment
  };
  // The time starts to count now.
  Progress(const Place& place, TimeSource now);

  // How many tokens there will be; without it neither a share nor an ETA is shown.
  void SetTotal(uint64_t tokens) { state_.total = tokens; }

  // What is waited for while there is no token yet, e.g. "waiting, 3 requests ahead".
  absl::Status Wait(const std::string& reason);

  // `tokens` more are done. The rate counts from the first call of this or of BeginRate.
  absl::Status Add(uint64_t tokens);
  // From here on the rate counts, though nothing is done yet.
  void BeginRate();

  // From now on only counts.
  void Hide() { place_ = {}; }

  // Tokens so far, and the time since this was made.
  uint64_t done() const { return state_.done; }
  absl::Duration elapsed() const { return now_() - begin_; }
  // Tokens per second since the first of them; 0 where that says nothing.
  double rate() const;

 private:
  absl::Status Show(const std::string& live_line, const std::string& plain_line);

  Place place_;
  const TimeSource now_;
  const absl::Time begin_;
  std::optional<absl::Time> rate_begin_;
  uint64_t before_rate_ = 0;  // tokens that came with the rate's begin, and so do not count
  absl::Time last_plain_;
  ProgressState state_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_PROGRESS_H_
