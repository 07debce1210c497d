// One job from Submit to Finish: its samples, its reader, its times.

#ifndef STRIDED_SERVER_SCHEDULING_JOB_STATE_H_
#define STRIDED_SERVER_SCHEDULING_JOB_STATE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/cache/slot.h"
#include "engine/sampling/stop_automaton.h"
#include "engine/step.h"
#include "server/scheduling/command_queue.h"
#include "server/scheduling/job.h"
#include "server/scheduling/outbox.h"
#include "server/scheduling/scheduling_metrics.h"
#include "server/scheduling/sequence_state.h"
#include "server/scheduling/token_sink.h"

namespace strided {

// When a call of the executor ran, by the scheduler's clock.
struct CallTimes {
  absl::Time start;
  absl::Time end;
  absl::Duration step_time;  // of one of its steps, which are taken for equally long
};

// Of the scheduler thread alone.
//
// Samples share one prefill: the first to get a slot runs the prompt, the others are forked from it
// there, and each draws its own first token from the row that follows. While some sample waits for
// a slot, one that has run just the prompt and has running siblings *holds* the prompt: it stays
// where it is, so that later ones need no prefill of their own. One without running siblings never
// holds, it runs: so a job that has slots always has one that makes progress, and two jobs can
// never wait for each other.
class JobState {
 public:
  // `cache_bytes`: what the caches of one sample take. `metrics` outlives the state.
  JobState(Submission submission, int64_t cache_bytes, const SchedulingMetrics* metrics);

  JobId id() const { return submission_.id; }
  const Job& job() const { return submission_.job; }
  int64_t cache_bytes() const { return cache_bytes_; }
  std::span<SequenceState> samples() { return samples_; }

  // -- Slots. Samples that hold one are live; waiting ones want one.
  int live() const { return live_; }
  int waiting() const { return waiting_; }
  // Requires waiting() > 0.
  SequenceState& NextToStart();
  // The live sample that others can be forked from, now or when it has run the prompt; null where
  // they have to start by themselves.
  const SequenceState* PrefillParent() const;
  // Whether samples wait for the prompt that another runs at this time.
  bool AwaitsPrompt() const;
  void Occupy(SequenceState& sample, Slot slot, absl::Time now);
  // Takes the slot of the sample that started last. Requires live() > 0.
  void PreemptOne();
  void PreemptAll();
  // Takes all slots; nothing is counted or replayed.
  void VacateAll();

  // -- Steps.
  // How many rows a sample could run in the next step; 0: none.
  int RowsReady(const SequenceState& sample) const;
  // Whether its next row draws a token of a stream (else it is part of a prompt or a replay).
  bool Decodes(const SequenceState& sample) const;
  // Tokens that it may draw in one call: those that are left of its length, up to its part of the
  // sink's room; at least 1. Requires RowsReady(sample) > 0.
  int Drawable(const SequenceState& sample) const;
  // Requires that the sample is live and `position` at most known_length().
  StepRow RowAt(const SequenceState& sample, int position) const;
  struct Delivery {
    int64_t generated = 0;
    int64_t replayed = 0;
    int64_t wasted = 0;         // drawn after the sample had ended
    int64_t evenly_spaced = 0;  // drawn one step's time after the token before

    Delivery& operator+=(const Delivery& other);
  };
  // Takes in what a call computed for `sample`: tokens and ends, for SendMail. `results` are one
  // for each step of each row. An error in the results sets failure(), and the rest is left.
  Delivery Deliver(SequenceState& sample, std::span<const StepRow> rows,
                   std::span<const TokenResult> results, const CallTimes& times);

  // -- The reader.
  // Hands the sink what has come since the last time, if anything.
  void SendMail() { outbox_.SendTo(submission_.sink); }
  bool has_mail() const { return !outbox_.empty(); }
  // Asks the sink for its room, less what is still to be sent, and notes since when it has had
  // none.
  void PollRoom(absl::Time now);
  bool paused() const { return paused_since_.has_value(); }
  // Requires paused().
  absl::Duration PausedFor(absl::Time now) const { return now - *paused_since_; }
  // Tells the sink where the job stands, if that has changed and it is time to. `queue_position`:
  // waiting jobs ahead of it.
  void OfferProgress(int queue_position, absl::Time now);

  // -- The end.
  bool started() const { return started_.has_value(); }  // has ever held a slot
  bool done() const { return live_ == 0 && waiting_ == 0; }
  const absl::Status& failure() const { return failure_; }
  // Ends every sample that has not ended.
  void EndSamples(FinishReason reason);
  // Sends what is left, gives the ticket back, then the sink's Finish. Requires that no slot is
  // held; the state is of no use afterwards.
  void Finish(const absl::Status& status, absl::Time now);

 private:
  int prompt_length() const { return static_cast<int>(submission_.job.prompt.size()); }
  bool HoldsPrompt(const SequenceState& sample) const;
  // Whether x(position) of the prompt is to be scored, and has not been.
  bool WantsScore(int position) const;
  // Of a row, its steps one by one, or all at once: for several steps of a sample without stops.
  // Neither counts the generated.
  Delivery TakeSteps(SequenceState& sample, StepRow row, std::span<const TokenResult> results,
                     const CallTimes& times);
  Delivery TakeRun(SequenceState& sample, const StepRow& row, std::span<const TokenResult> results,
                   const CallTimes& times);
  void FailNonFinite(int position);
  // Of one step. True where the position had run before.
  bool TakeRow(SequenceState& sample, const StepRow& row, const TokenResult& result);
  void TakePromptRow(SequenceState& sample, const StepRow& row, const TokenResult& result);
  // A token was drawn at `now`; true where that is `step_time` after the one before it.
  bool NoteDraw(SequenceState& sample, absl::Time now, absl::Duration step_time);
  void NoteFirstPush(absl::Time now);
  void EndPrefill(absl::Time now);
  std::optional<JobProgress> CurrentProgress(int queue_position) const;
  JobSummary Summarise(absl::Time now) const;
  int64_t drawn() const;

  Submission submission_;
  const int64_t cache_bytes_;
  const SchedulingMetrics* const metrics_;  // not owned
  const StopAutomaton stops_;
  std::vector<SequenceState> samples_;  // never resized: pointers to them stay valid
  int live_ = 0;
  int waiting_ = 0;

  Outbox outbox_;         // what the sink has not been told
  int prompt_taken_ = 0;  // positions of the prompt that have been echoed or scored
  absl::Status failure_;

  int room_ = 1;  // of the sink, in tokens, as of the last PollRoom
  std::optional<absl::Time> paused_since_;
  std::optional<JobProgress> last_progress_;
  absl::Time last_progress_time_;

  std::optional<absl::Time> started_;        // the first slot
  std::optional<absl::Time> prefill_ended_;  // the first row past the prompt, or the last scored
  std::optional<absl::Time> first_pushed_;   // the first token that is not an echo
  int preemptions_ = 0;
};

// Who goes first: the higher priority, then the earlier arrival.
struct Precedence {
  bool operator()(const JobState* a, const JobState* b) const {
    if (a->job().priority != b->job().priority) return a->job().priority > b->job().priority;
    return a->id() < b->id();
  }
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_JOB_STATE_H_
