#include "server/scheduling/scheduler_group.h"

#include <utility>

#include "server/scheduling/scheduling_metrics.h"

namespace strided {

SchedulerGroup::SchedulerGroup(const SchedulerOptions& options,
                               std::span<const std::unique_ptr<Executor>> executors,
                               const Clock* clock, ModelMetrics* metrics, Metrics* objects)
    : metrics_(metrics), gauges_(metrics, executors.size()) {
  for (size_t i = 0; i < executors.size(); ++i) {
    devices_.push_back(executors[i]->info().device);
    if (metrics_ != nullptr) metrics_->CountDeviceRequests(devices_.back(), 0);
    const SchedulingMetrics its_metrics(metrics, objects, &gauges_, i);
    schedulers_.push_back(
        std::make_unique<Scheduler>(options, executors[i].get(), clock, its_metrics));
  }
}

void SchedulerGroup::Start() {
  for (const auto& scheduler : schedulers_) scheduler->Start();
}

// Two that ask at once may choose the same one: it is then a little fuller than the others.
size_t SchedulerGroup::IndexOfMostRoom(const Job& job) const {
  if (schedulers_.size() == 1) return 0;
  size_t best = 0;
  double least = schedulers_.front()->FullnessWith(job);
  for (size_t i = 1; i < schedulers_.size(); ++i) {
    const double fullness = schedulers_[i]->FullnessWith(job);
    if (fullness >= least) continue;
    best = i;
    least = fullness;
  }
  return best;
}

// Scheduler i's job j, from 1, is number j * schedulers + i of the group.
JobId SchedulerGroup::Submit(Job job, Ticket ticket, TokenSink* sink) {
  const size_t index = IndexOfMostRoom(job);
  if (metrics_ != nullptr) metrics_->CountDeviceRequests(devices_[index], 1);
  const JobId id = schedulers_[index]->Submit(std::move(job), std::move(ticket), sink);
  return id * schedulers_.size() + index;
}

void SchedulerGroup::Cancel(JobId id, absl::Status status) {
  const size_t index = id % schedulers_.size();
  schedulers_[index]->Cancel(id / schedulers_.size(), std::move(status));
}

void SchedulerGroup::Wake() {
  for (const auto& scheduler : schedulers_) scheduler->Wake();
}

SchedulerHealth SchedulerGroup::health() const {
  SchedulerHealth health;
  for (const auto& scheduler : schedulers_) {
    const SchedulerHealth its = scheduler->health();
    health.healthy &= its.healthy;
    const bool first = health.step_started == absl::InfinitePast();
    const bool runs = its.step_started != absl::InfinitePast();
    if (runs && (first || its.step_started < health.step_started)) {
      health.step_started = its.step_started;
    }
  }
  return health;
}

bool SchedulerGroup::RunOneStep() {
  bool busy = false;
  for (const auto& scheduler : schedulers_) busy |= scheduler->RunOneStep();
  return busy;
}

}  // namespace strided
