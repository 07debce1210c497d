// Whether an engine is alive, for a watchdog on another thread.

#ifndef STRIDED_SERVER_SCHEDULING_HEARTBEAT_H_
#define STRIDED_SERVER_SCHEDULING_HEARTBEAT_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace strided {

struct SchedulerHealth {
  bool healthy = true;  // false for good once a step, a start or a fork has failed
  // When the step that is running began, by the scheduler's clock; InfinitePast between steps. A
  // step that began too long ago hangs. The executor's starts and forks of sequences count as one.
  absl::Time step_started = absl::InfinitePast();
};

// Thread-safe: the scheduler thread writes, watchdogs read. Reading never waits for a step: the
// lock is not held during one.
class Heartbeat {
 public:
  // Around each call of the executor, by the scheduler's clock. Requires one StepEnds for each
  // StepStarts before the next.
  void StepStarts(absl::Time now) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    health_.step_started = now;
  }
  // `succeeded` false: the engine counts as failed from now on.
  void StepEnds(bool succeeded) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    health_.step_started = absl::InfinitePast();
    health_.healthy = health_.healthy && succeeded;
  }
  // As it was between two of the above.
  SchedulerHealth Read() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return health_;
  }

 private:
  mutable absl::Mutex mu_;  // held for a copy
  SchedulerHealth health_ ABSL_GUARDED_BY(mu_);
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_HEARTBEAT_H_
