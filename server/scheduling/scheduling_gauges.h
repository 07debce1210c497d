// How things stand in a scheduler, and in several that serve one model together.

#ifndef STRIDED_SERVER_SCHEDULING_SCHEDULING_GAUGES_H_
#define STRIDED_SERVER_SCHEDULING_SCHEDULING_GAUGES_H_

#include <cstddef>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/cache/slot_ledger.h"
#include "server/observability/metrics.h"

namespace strided {

struct SchedulingGauges {
  int slots = 0;         // that samples may hold at once
  int jobs_running = 0;  // that hold a slot
  int sequences_running = 0;
  int jobs_waiting = 0;         // that hold none, for lack of room
  int paused_jobs_waiting = 0;  // that hold none because their reader is behind
  int paused_jobs = 0;          // all whose reader is behind
  CacheUsage cache;
};

// Sets the series of `model` to `gauges`.
void ShowGauges(const SchedulingGauges& gauges, ModelMetrics* model);

// Shows the sum over the schedulers of one model. Thread-safe.
class SharedGauges {
 public:
  // Not owned; may be null: then nothing is shown.
  SharedGauges(ModelMetrics* model, size_t schedulers) : model_(model), parts_(schedulers) {}

  // From now on, `scheduler`'s are these. Requires a number below that given to the constructor.
  void Set(size_t scheduler, const SchedulingGauges& gauges) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  ModelMetrics* const model_;

  // The schedulers' threads, after each call of their executors; held until the sum is shown, so
  // that an older one never replaces it.
  absl::Mutex mu_;
  std::vector<SchedulingGauges> parts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_SCHEDULING_GAUGES_H_
