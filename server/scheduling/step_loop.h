// What the scheduler thread does between two calls of the executor, and the call itself.

#ifndef STRIDED_SERVER_SCHEDULING_STEP_LOOP_H_
#define STRIDED_SERVER_SCHEDULING_STEP_LOOP_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/base/clock.h"
#include "engine/executor.h"
#include "server/scheduling/batch.h"
#include "server/scheduling/command_queue.h"
#include "server/scheduling/heartbeat.h"
#include "server/scheduling/job_state.h"
#include "server/scheduling/job_table.h"
#include "server/scheduling/scheduler_options.h"
#include "server/scheduling/scheduling_metrics.h"
#include "server/scheduling/slot_assigner.h"

namespace strided {

// Samples that may hold a slot at once: no more than a step has rows, so that none is ever left out
// of one (step_policy.h).
int MaxSequences(const SchedulerOptions& options, const Executor& executor);

// Of one thread. In the steady state, where sequences decode and none comes or goes, a step
// allocates nothing here.
//
// A call costs 0.4, 1.2 and 8.4 us of processor time beside the executor's, for 1, 8 and 64
// streams, metrics included, and 10 us with 64 streams and 4,096 waiting jobs; one of 8 steps of
// 64 streams 15 us, one of 32 steps of 256 streams 166 us, 0.02 us a token (AMD EPYC, 2.6 GHz, with
// other work on both cores, 2026-11-26, step_overhead_benchmark of tests/server/scheduling).
class StepLoop {
 public:
  // The pointees outlive the loop.
  StepLoop(const SchedulerOptions& options, Executor* executor, const Clock* clock,
           const SchedulingMetrics& metrics, Heartbeat* heartbeat);

  // Carries the commands out and calls the executor once; beside that, hands the sinks what the
  // call before brought. False if nothing was done: then nothing will be before a command comes or
  // IdleLimit() has passed.
  bool RunOneStep(Commands commands);

  // Hands the sinks what the last step has left for the next one to hand over; false if there was
  // nothing.
  bool SendMail();

  // For how long the loop may be left alone if no command comes.
  absl::Duration IdleLimit() const;

  // Ends every job, those of `commands` too.
  void EndAll(Commands commands, const absl::Status& status);

 private:
  struct EndedJob {
    std::unique_ptr<JobState> job;
    absl::Status status;
    absl::Time when;
  };

  void TakeIn(Commands commands);
  void Admit(Submission submission);
  void Cancel(const Cancellation& cancellation);

  // Ends and preempts what has run or been paused for too long; true if there was any. Running jobs
  // are visited at every step, waiting ones, of which there may be thousands, at every scan.
  bool EnforceLimits(absl::Time now);
  bool EnforceLimits(JobState* job, absl::Time now);
  // One visit to all jobs: tells sinks where they stand, counts who is paused.
  void Scan(absl::Time now);

  // True if a job ended because it cannot start.
  bool AssignSlots(absl::Time now);
  // False if there was nothing to run.
  bool RunBatch();
  void Settle(JobState* job, absl::Time now);

  // The slots go at once, the sink hears of it from SendMail.
  void End(JobState* job, const absl::Status& status, absl::Time now);
  void FailEngine(const absl::Status& error, absl::Time now);
  void SetGauges() const;

  const SchedulerOptions options_;
  Executor* const executor_;  // not owned
  const Clock* const clock_;  // not owned
  const SchedulingMetrics metrics_;
  Heartbeat* const heartbeat_;  // not owned

  JobTable jobs_;
  SlotAssigner slots_;
  Batch batch_;
  std::vector<JobState*> senders_;  // jobs that may have mail
  std::vector<EndedJob> ended_;     // jobs, some of senders_ too, whose sinks do not know it yet
  std::optional<absl::Status> engine_failure_;  // what jobs get that come after it
  bool scan_now_ = false;                       // a sink that had no room at a scan may have some
  absl::Time next_scan_ = absl::InfinitePast();
  int paused_waiting_ = 0;          // as of the last scan
  std::vector<JobState*> visited_;  // by EnforceLimits; a member so that its memory is kept
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_STEP_LOOP_H_
