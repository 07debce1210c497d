// Continuous batching: decides which sequences take part in each step.
//
// One scheduler runs one executor from one thread. Between two steps it takes in what callers have
// submitted and cancelled, gives free slots to waiting samples (by priority, then arrival), and
// plans the next step: one row for every sequence that decodes, then prompt rows up to a budget, so
// that a long prompt never starves running streams (Orca, Yu et al. 2022: iteration-level
// scheduling; Sarathi-Serve, Agrawal et al. 2024: chunked prefill). Samples of one job share its
// prefill and are forked from it. Where every row decodes, and the executor can, one call runs
// several steps, and beside prompts where it can do that, too; what is said here of a step then
// holds for the call.
//
//   any thread                   | the scheduler thread
//   Submit, Cancel, Wake         |  StepLoop::RunOneStep
//     v                          |    EnforceLimits   time limits, slow readers
//   CommandQueue (a mutex) ----->|    SlotAssigner    slots for waiting samples, preemption
//   Heartbeat (a mutex) <--------|    GrantRows       how many rows for whom: a pure function
//     v                          |    GrantSteps      how many steps of each: another
//     v                          |    Executor::RunBeside, and meanwhile
//     v                          |      Outbox        what the call before brought -> TokenSink
//   health()                     |    Batch, JobState results -> stop matching -> Outbox
//
// These two are all the locks of a scheduler, with its load's. None is held during a step or a
// call of a sink, and none is taken while another is held. What the scheduler thread owns (StepLoop
// and all that it holds) is touched by no other thread.

#ifndef STRIDED_SERVER_SCHEDULING_SCHEDULER_H_
#define STRIDED_SERVER_SCHEDULING_SCHEDULER_H_

#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "engine/base/clock.h"
#include "engine/executor.h"
#include "server/scheduling/admission.h"
#include "server/scheduling/command_queue.h"
#include "server/scheduling/heartbeat.h"
#include "server/scheduling/job.h"
#include "server/scheduling/scheduler_load.h"
#include "server/scheduling/scheduler_options.h"
#include "server/scheduling/token_sink.h"

namespace strided {

class Metrics;            // server/observability/metrics.h
class ModelMetrics;       // the same
class SchedulingMetrics;  // scheduling_metrics.h
class StepLoop;

class Scheduler {
 public:
  // All pointees outlive the scheduler. `metrics` takes the model's series; `objects` the counts of
  // sequences and slots created and released. Both may be null.
  Scheduler(const SchedulerOptions& options, Executor* executor, const Clock* clock,
            ModelMetrics* metrics, Metrics* objects = nullptr);
  Scheduler(const SchedulerOptions& options, Executor* executor, const Clock* clock,
            const SchedulingMetrics& metrics);
  // Ends every job with Cancelled, then joins the thread.
  ~Scheduler();

  // Starts the scheduler thread. Without it, tests single-step with RunOneStep.
  void Start();

  // Takes the job on; `sink` gets exactly one Finish and must live until then. Thread-safe; never
  // blocks on a step. The ticket is given back before Finish, so that who sees the end finds the
  // place free. Finish may come before Submit returns:
  //   InvalidArgument     the sequence can never fit the model or the device
  //   Unavailable         the engine has failed before (reason ENGINE_ERROR)
  //   Internal            it failed during the job (ENGINE_ERROR), or gave logits that are not
  //                       finite (NON_FINITE_LOGITS)
  //   Aborted             the sink was without room for paused_job_limit (SLOW_READER)
  //   Cancelled           the scheduler was destroyed
  JobId Submit(Job job, Ticket ticket, TokenSink* sink);

  // How full the scheduler would be with `job` too: the part of its slots, or of its caches if that
  // is more, that all jobs take together, waiting ones too; above 1 some wait. Infinite where a
  // sample of the job cannot fit at all. Thread-safe; never blocks on a step.
  double FullnessWith(const Job& job) const;

  // Ends the job within one call of the executor: `status` (not OK) goes to its Finish. A job that
  // has ended is left alone. Thread-safe; never blocks on a step.
  void Cancel(JobId id, absl::Status status);

  // A paused sink has room again. Thread-safe; never blocks on a step.
  void Wake();

  // Thread-safe; never blocks on a step.
  SchedulerHealth health() const;

  // Takes in commands, runs one step, delivers its results; false if there was nothing to do.
  // Requires that Start was not called.
  bool RunOneStep();
  // The same as the thread does it: what a step brings is delivered beside the next one.
  bool RunOneStepAhead();

 private:
  void RunUntilStopped();

  const Executor* const executor_;  // not owned
  const Clock* const clock_;        // not owned
  const int max_sequences_;
  SchedulerLoad load_;  // before the jobs, whose shares it outlives
  CommandQueue commands_;
  Heartbeat heartbeat_;
  const std::unique_ptr<StepLoop> loop_;  // of the scheduler thread alone
  std::thread thread_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_SCHEDULER_H_
