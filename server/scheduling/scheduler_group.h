// Several executors of one model behind one door.
//
// A scheduler for each, on its own thread; a job goes to the one with the most room when it comes,
// and stays there: its caches are there, and what it is given does not depend on where that is,
// since all executors compute the same bits. A job that waits is not moved when another scheduler
// becomes free earlier. One executor is the usual case, and costs nothing more than its scheduler.

#ifndef STRIDED_SERVER_SCHEDULING_SCHEDULER_GROUP_H_
#define STRIDED_SERVER_SCHEDULING_SCHEDULER_GROUP_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/scheduling/scheduler.h"
#include "server/scheduling/scheduling_gauges.h"

namespace strided {

// Thread-safe but for Start and RunOneStep.
class SchedulerGroup {
 public:
  // At least one executor, all of one model and with the same numerics. The pointees outlive the
  // group; `metrics` and `objects` as for a Scheduler.
  SchedulerGroup(const SchedulerOptions& options,
                 std::span<const std::unique_ptr<Executor>> executors, const Clock* clock,
                 ModelMetrics* metrics, Metrics* objects = nullptr);

  // As of Scheduler. A JobId is unique in the group, and means nothing to its schedulers.
  void Start();
  JobId Submit(Job job, Ticket ticket, TokenSink* sink);
  void Cancel(JobId id, absl::Status status);
  void Wake();

  // Healthy while all are; `step_started` is that of the step that has run for longest.
  SchedulerHealth health() const;

  // RunOneStep of every scheduler; false if none had anything to do.
  bool RunOneStep();

 private:
  size_t IndexOfMostRoom(const Job& job) const;

  ModelMetrics* const metrics_;       // not owned; null: nothing is counted
  std::vector<std::string> devices_;  // by name, in the order of the schedulers
  SharedGauges gauges_;
  std::vector<std::unique_ptr<Scheduler>> schedulers_;  // in the order of their executors
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_SCHEDULER_GROUP_H_
