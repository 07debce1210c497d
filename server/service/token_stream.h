// Carries a job's tokens from the scheduler to one call: a bounded mailbox with a pump.
//
// The scheduler thread pushes; whoever finds something due carries it to the call: gRPC's threads
// after a write, the timer's thread after a delay or when the scheduler thread, which has a step to
// run, asks it to. One of them at a time, and none waits for another: who comes while somebody
// carries leaves the work to him. A write is in flight from StreamCall::Write to OnWriteDone, and
// while it is, tokens gather.
//
// Locks: `mu_` alone, never held while the call, gRPC or the scheduler is called. Life: the stream
// may be destroyed once StreamCall::Finish was called, which comes after TokenSink::Finish; no
// thread touches the stream after that, other than in OnTimer.

#ifndef STRIDED_SERVER_SERVICE_TOKEN_STREAM_H_
#define STRIDED_SERVER_SERVICE_TOKEN_STREAM_H_

#include <optional>
#include <span>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engine/base/clock.h"
#include "server/observability/metrics.h"
#include "server/scheduling/token_sink.h"
#include "server/service/mailbox.h"
#include "server/service/stream_event.h"

namespace strided {

// What a stream asks of the call that it feeds. Calls come one at a time, from any thread, and none
// may block.
class StreamCall {
 public:
  virtual ~StreamCall() = default;

  // Sends `event`, and calls OnWriteDone once, when it is off or cannot be sent. No second Write
  // comes before that.
  virtual void Write(StreamEvent event) = 0;

  // Ends the call. The last thing that the stream asks.
  virtual void Finish(const absl::Status& status) = 0;

  // The job can go on: there is room again.
  virtual void ResumeJob() = 0;

  // Breaks the call off in the middle of a write, which then fails: the reader takes nothing.
  virtual void BreakOff(const absl::Status& status) = 0;

  // Calls OnTimer at `when` or soon after; replaces what was asked for before.
  virtual void WakeAt(absl::Time when) = 0;

  // Calls OnTurn once, soon, from another thread. The one request that may come while no other of
  // them is carried out, from the scheduler's thread.
  virtual void PumpSoon() = 0;
};

struct StreamOptions {
  MailboxOptions mailbox;
  bool tokens_only = false;                                    // no Opening, progress, sample ends
  absl::Duration progress_interval = absl::Milliseconds(250);  // silence before a Progress
  // How long the last writes of a job that is over may take; before that, the scheduler watches
  // the reader (SchedulerOptions::paused_job_limit).
  absl::Duration stall_limit = absl::Minutes(5);
};

class TokenStream final : public TokenSink {
 public:
  // The pointees outlive the stream; `metrics` may be null.
  TokenStream(const StreamOptions& options, const Clock* clock, ModelMetrics* metrics,
              StreamCall* call);

  // Sends the Opening. Before Submit, so that it is the first event.
  void Open() ABSL_LOCKS_EXCLUDED(mu_);

  // TokenSink, for the scheduler's thread.
  int Room() const override ABSL_LOCKS_EXCLUDED(mu_);
  void Progress(const JobProgress& progress) override ABSL_LOCKS_EXCLUDED(mu_);
  void Push(std::span<const PushedToken> tokens) override ABSL_LOCKS_EXCLUDED(mu_);
  void FinishSample(const SampleEnd& end) override ABSL_LOCKS_EXCLUDED(mu_);
  void Finish(absl::Status status, const JobSummary& summary) override ABSL_LOCKS_EXCLUDED(mu_);

  // As Finish with `error`, not OK, in the place of a scheduler that hangs. From any thread. What
  // the scheduler says after all is dropped.
  void Abandon(const absl::Status& error) ABSL_LOCKS_EXCLUDED(mu_);

  // Reactions of the call. `ok` false: the call is broken, nothing more can be sent.
  void OnWriteDone(bool ok) ABSL_LOCKS_EXCLUDED(mu_);
  void OnTimer() ABSL_LOCKS_EXCLUDED(mu_);
  void OnTurn() ABSL_LOCKS_EXCLUDED(mu_);

  // As given to Finish; all 0 before.
  JobSummary summary() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct ResumeJob {};
  struct FinishCall {
    absl::Status status;
  };
  struct BreakOff {
    absl::Status status;
  };
  struct WakeAt {
    absl::Time when;
  };
  using Action = std::variant<StreamEvent, ResumeJob, FinishCall, BreakOff, WakeAt>;

  // Leaves the pump to OnTurn, unless a thread is at it that will look again; true if the caller is
  // to call PumpSoon, once it has let go of the lock.
  bool HandOver() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Carries out what there is to do, unless another thread is about it.
  void Pump() ABSL_LOCKS_EXCLUDED(mu_);
  void PerformAll(std::optional<Action> action) ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<Action> FirstAction() ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<Action> FollowingAction() ABSL_LOCKS_EXCLUDED(mu_);
  void Perform(Action action);

  std::optional<Action> ChooseAction(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::optional<StreamEvent> NextEvent(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::optional<Action> CheckStall(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Time NextWake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Time StallTime() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DropMail() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountMail(int tokens_before) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const StreamOptions options_;
  const Clock* const clock_;     // not owned
  ModelMetrics* const metrics_;  // not owned; may be null
  StreamCall* const call_;       // not owned

  mutable absl::Mutex mu_;
  Mailbox mailbox_ ABSL_GUARDED_BY(mu_);
  bool opening_ ABSL_GUARDED_BY(mu_) = false;  // still to be sent
  std::optional<JobProgress> progress_ ABSL_GUARDED_BY(mu_);
  bool full_ ABSL_GUARDED_BY(mu_) = false;                // until half of the mailbox is read
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);  // set by Finish
  JobSummary summary_ ABSL_GUARDED_BY(mu_);
  bool summary_sent_ ABSL_GUARDED_BY(mu_) = false;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;  // a write is in flight, since last_write_
  absl::Time last_write_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  bool broken_ ABSL_GUARDED_BY(mu_) = false;  // nothing more can be sent
  // A thread is in Perform, or OnTurn is to come; for ever after Finish.
  bool performing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time armed_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();  // when OnTimer comes
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_TOKEN_STREAM_H_
