// One sample of a job: its tokens, its slot, and how far it has come.
//
//            Occupy                    positions below known_length run, forced
//   waiting --------> holds a slot --------------------------------------------> draws --> ended
//      ^                  |                                                        |
//      +------------------+--------------------------------------------------------+
//                         Vacate: the slot goes, the tokens stay
//
// A position is *forced* where its token is known before its row runs: the prompt's, those that a
// client brings back (Job::resumed), and those drawn before the slot was lost. Forced rows take the
// same path through the executor as drawn ones, so what follows has the same bits as if nothing had
// happened.

#ifndef STRIDED_SERVER_SCHEDULING_SEQUENCE_STATE_H_
#define STRIDED_SERVER_SCHEDULING_SEQUENCE_STATE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "engine/cache/slot.h"
#include "engine/executor.h"
#include "engine/sampling/stop_automaton.h"
#include "engine/step.h"
#include "server/scheduling/job.h"
#include "server/scheduling/outbox.h"
#include "server/scheduling/scheduling_metrics.h"
#include "server/scheduling/stop_reader.h"
#include "server/scheduling/token_sink.h"
#include "server/scheduling/withheld_tokens.h"

namespace strided {

// Steps that a sequence of `job` may ever run: SequenceSpec::max_length.
int MaxLength(const Job& job);

// Of the scheduler thread alone.
class SequenceState {
 public:
  // `stops` is of StopsOf(job->stop). The pointees outlive the state.
  SequenceState(const Job* job, uint32_t sample_index, const StopAutomaton* stops,
                const SchedulingMetrics* metrics);

  uint32_t sample_index() const { return sample_index_; }
  SequenceSpec Spec() const;

  // Puts it into a slot that has run the first `position` positions. Requires that it has none.
  void Occupy(Slot slot, int position);
  // Gives its slot back, if it has one.
  void Vacate();
  bool has_slot() const { return place_.has_value(); }
  // Requires has_slot().
  const Slot& slot() const { return place_->slot; }

  // The next position to run in the slot.
  int position() const { return position_; }
  // That position has run. Returns whether it had run before, in a slot since lost.
  bool Advance();

  // Positions whose tokens are known: x(0) to x(known_length - 1).
  int known_length() const;
  // Requires position < known_length().
  int32_t TokenAt(int position) const;
  // What the row of `position` is for, past the prompt: to draw its token; to learn the
  // log-probability of a resumed one; or, where that is known, nothing but the caches.
  RowOutput OutputAt(int position) const;

  // Takes in the next token past the prompt, drawn or resumed: pushes what no stop can claim any
  // more, and ends the sample where a stop or its length says so.
  void Accept(const TokenResult& result, Outbox* outbox);
  // The same of consecutive drawn tokens, and their positions have run. Requires that there is no
  // stop, and that no more are taken in than the sample may have.
  void AcceptRun(std::span<const TokenResult> results, Outbox* outbox);
  bool has_stops() const { return !stops_.none(); }
  // Takes in a scored position of a kScore job.
  void AcceptScore(int position, const TokenResult& result, Outbox* outbox);

  // Ends the sample: pushes what is withheld, reports it, gives the slot back. Requires
  // that it has not ended.
  void End(FinishReason reason, Outbox* outbox);
  bool ended() const { return ended_; }

  // Tokens that the executor drew, those of a stop included.
  int drawn() const { return drawn_; }
  // Tokens taken in, less what is withheld or was claimed by a stop.
  int generated() const { return released_; }
  bool has_pushed() const { return has_pushed_; }

  // When its latest token was drawn; sets it to `now`.
  std::optional<absl::Time> ExchangeLastDraw(absl::Time now);

 private:
  struct Place {
    Slot slot;
    LiveCount count;
  };

  PushedToken MakePush(int position, const TokenResult& result) const;
  void Release(const PushedToken& token, Outbox* outbox);
  void ReleaseWithheld(int count, Outbox* outbox);
  void EndByStop(StopReading reading, Outbox* outbox);
  void Report(SampleEnd end, Outbox* outbox);

  const Job* job_;                    // not owned
  const SchedulingMetrics* metrics_;  // not owned
  uint32_t sample_index_;
  LiveCount count_;

  std::optional<Place> place_;
  int position_ = 0;
  int ran_before_ = 0;  // the furthest position of an earlier slot

  std::vector<int32_t> tokens_;  // past the prompt: resumed, then drawn
  int accepted_ = 0;  // of tokens_, those taken in: all but resumed ones yet to be scored
  int drawn_ = 0;
  StopReader stops_;
  WithheldTokens withheld_;
  int released_ = 0;
  double sum_log_prob_ = 0;  // of the released, in their order
  bool has_pushed_ = false;
  bool ended_ = false;
  std::optional<absl::Time> last_draw_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_SEQUENCE_STATE_H_
