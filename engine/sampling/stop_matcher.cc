#include "engine/sampling/stop_matcher.h"

#include <utility>

namespace strided {

StopVerdict StopMatcher::Feed(int32_t token, bool armed) {
  state_ = automaton_->Next(state_, token);
  const std::optional<StopAutomaton::Match> match = automaton_->MatchAt(state_);
  StopVerdict verdict;
  int keep = automaton_->WithheldAt(state_, armed);
  if (armed && match.has_value()) {
    verdict.matched = match->sequence;
    verdict.matched_tokens = match->length;
    keep = match->length;
  }
  verdict.released = withheld_ + 1 - keep;
  withheld_ = keep;
  return verdict;
}

int StopMatcher::Flush() { return std::exchange(withheld_, 0); }

}  // namespace strided
