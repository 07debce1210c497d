// Holds back what a stop sequence may still claim, for one sample.
//
// The caller keeps the tokens in a queue; the matcher only counts. After each token it says how
// many may leave the front of the queue, and whether a stop has matched:
//
//   queue.push_back(token);
//   const StopVerdict verdict = matcher.Feed(token.id, generated >= stop.min_new_tokens);
//   Release(queue, verdict.released);
//   if (verdict.matched.has_value()) {  // what is left in the queue is exactly the match
//     if (stop.include_stop) Release(queue, queue.size());
//     End(FinishReason::kStop);
//   }
//
// A token is withheld exactly as long as it may be part of the match that ends the sample. Where
// the sample ends otherwise (length, time), the whole queue may go: Flush says how many.

#ifndef STRIDED_ENGINE_SAMPLING_STOP_MATCHER_H_
#define STRIDED_ENGINE_SAMPLING_STOP_MATCHER_H_

#include <cstdint>
#include <optional>

#include "engine/sampling/stop_automaton.h"

namespace strided {

struct StopVerdict {
  int released = 0;            // tokens, the oldest withheld first, that may go out now
  std::optional<int> matched;  // index of the stop sequence that ends with this token
  // Tokens of that match, all still withheld and nothing else with them; 0 without a match.
  int matched_tokens = 0;
};

// Not thread-safe. Feed costs constant time on average and allocates nothing.
class StopMatcher {
 public:
  // `automaton` outlives the matcher.
  explicit StopMatcher(const StopAutomaton* automaton) : automaton_(automaton) {}

  // The next generated token. `armed`: a match that ends here counts; while it is false (fewer than
  // min_new_tokens) a match is passed over, but its tokens may still begin or belong to a later
  // one. Once armed, always armed. Not to be called after a match or a Flush.
  StopVerdict Feed(int32_t token, bool armed);

  // The sample ends without a match: how many withheld tokens go out.
  int Flush();

  // Tokens fed and not yet released.
  int withheld() const { return withheld_; }

 private:
  const StopAutomaton* automaton_;  // not owned
  int state_ = StopAutomaton::kStart;
  int withheld_ = 0;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_STOP_MATCHER_H_
