// Finds stops in what a sample draws: sequences of tokens or, for models with a tokenizer, of the
// bytes that tokens stand for; and single ids.
//
// As StopMatcher, it counts tokens that the caller keeps in a queue. Over bytes a stop may begin
// and end inside of tokens: those that hold a byte of it are the match.
// A token without text, such as the ids that pad a vocabulary, interrupts a stop: so no more tokens
// are withheld than a stop has bytes.

#ifndef STRIDED_SERVER_SCHEDULING_STOP_READER_H_
#define STRIDED_SERVER_SCHEDULING_STOP_READER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "engine/sampling/stop_automaton.h"
#include "engine/sampling/stop_matcher.h"
#include "server/scheduling/job.h"

namespace strided {

// What the automaton of a job's samples looks for: its stop sequences and, over tokens, its stop
// ids as sequences of one.
std::vector<std::vector<int32_t>> StopsOf(const StopConditions& stop);

// Tokens that a sample may withhold, the match itself included.
size_t LongestStop(const StopConditions& stop);

struct StopReading {
  int released = 0;         // tokens, the oldest withheld first, that may go out now
  std::optional<int> stop;  // that ends with this token: an index into sequences, then into ids
  // Over bytes: what the first withheld token stands for before the stop begins.
  std::string text_before;
};

// Of one sample. Not thread-safe.
class StopReader {
 public:
  // `automaton` is of StopsOf(*stop). Both outlive the reader.
  StopReader(const StopConditions* stop, const StopAutomaton* automaton)
      : stop_(stop), none_(stop->sequences.empty() && stop->ids.empty()), matcher_(automaton) {}

  // Whether there is no stop: every token goes out at once.
  bool none() const { return none_; }

  // The next token; `armed` as for StopMatcher::Feed. Not to be called after a stop or a Flush.
  StopReading Feed(int32_t token, bool armed) {
    if (none_) return {.released = 1, .stop = std::nullopt, .text_before = {}};
    return FeedMatcher(token, armed);
  }

  // The sample ends without a stop: how many withheld tokens go out.
  int Flush();

 private:
  StopReading FeedMatcher(int32_t token, bool armed);
  StopReading FeedText(int32_t token, bool armed);
  // Lets tokens go whose bytes all lie before the last `kept_bytes`.
  int ReleaseBefore(size_t kept_bytes);

  const StopConditions* stop_;  // not owned
  bool none_;                   // no stop: every token goes out
  StopMatcher matcher_;
  // Over bytes alone: the withheld tokens, and the bytes of them all.
  std::deque<int32_t> withheld_;
  size_t withheld_bytes_ = 0;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_STOP_READER_H_
