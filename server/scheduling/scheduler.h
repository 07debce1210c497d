// Continuous batching: decides which sequences take part in each step.
//
// One scheduler runs one executor from one thread. Between two steps it takes in what callers have
// submitted and cancelled, starts waiting jobs for which there is room (by priority, then arrival),
// and plans the next step: one row for every sequence that decodes, then prompt rows up to a
// budget, so that a long prompt never starves running streams (Orca, Yu et al. 2022:
// iteration-level scheduling; Sarathi-Serve, Agrawal et al. 2024: chunked prefill). Samples of one
// job share its prefill and are forked from it.

#ifndef STRIDED_SERVER_SCHEDULING_SCHEDULER_H_
#define STRIDED_SERVER_SCHEDULING_SCHEDULER_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/base/clock.h"
#include "engine/executor.h"
#include "server/scheduling/admission.h"
#include "server/scheduling/job.h"
#include "server/scheduling/token_sink.h"

namespace strided {

class ModelMetrics;  // server/observability/metrics.h

using JobId = uint64_t;

struct SchedulerOptions {
  int max_sequences = 64;          // that take part in steps at once
  int prefill_rows_per_step = 64;  // prompt rows that one step takes beside the decode rows
};

class Scheduler {
 public:
  // All pointees outlive the scheduler. `metrics` may be null in tests.
  Scheduler(const SchedulerOptions& options, Executor* executor, Clock* clock,
            ModelMetrics* metrics);
  // Ends every job with Cancelled, then joins the thread.
  ~Scheduler();

  // Starts the scheduler thread. Without it, tests single-step with RunOneStep.
  void Start();

  // Takes the job on; `sink` gets exactly one Finish and must live until then. Thread-safe; never
  // blocks on a step. The ticket is destroyed after Finish.
  JobId Submit(Job job, Ticket ticket, TokenSink* sink);

  // Ends the job within one step: `status` goes to its Finish. A job that has ended is left alone.
  // Thread-safe.
  void Cancel(JobId id, absl::Status status);

  // A paused sink has room again. Thread-safe.
  void Wake();

  // Takes in commands, runs one step, delivers its results; false if there was nothing to do.
  // Requires that Start was not called.
  bool RunOneStep();

 private:
  class Loop;  // what the scheduler thread owns
  std::unique_ptr<Loop> loop_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_SCHEDULER_H_
