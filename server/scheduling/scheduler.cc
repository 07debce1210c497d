#include "server/scheduling/scheduler.h"

#include <utility>

#include "server/scheduling/scheduling_metrics.h"
#include "server/scheduling/step_loop.h"

namespace strided {

Scheduler::Scheduler(const SchedulerOptions& options, Executor* executor, const Clock* clock,
                     ModelMetrics* metrics, Metrics* objects)
    : clock_(clock),
      loop_(std::make_unique<StepLoop>(options, executor, clock,
                                       SchedulingMetrics(metrics, objects), &heartbeat_)) {}

Scheduler::~Scheduler() {
  commands_.Stop();
  if (thread_.joinable()) {
    thread_.join();
  } else {
    RunUntilStopped();
  }
}

void Scheduler::Start() {
  thread_ = std::thread([this] { RunUntilStopped(); });
}

void Scheduler::RunUntilStopped() {
  while (!commands_.stopping()) {
    if (!loop_->RunOneStep(commands_.Take())) commands_.AwaitWork(loop_->IdleLimit());
  }
  loop_->EndAll(commands_.Take(), absl::CancelledError("the server is shutting down"));
}

JobId Scheduler::Submit(Job job, Ticket ticket, TokenSink* sink) {
  return commands_.Submit({.id = 0,
                           .job = std::move(job),
                           .ticket = std::move(ticket),
                           .sink = sink,
                           .when = clock_->Now()});
}

void Scheduler::Cancel(JobId id, absl::Status status) {
  commands_.Cancel({.id = id, .status = std::move(status), .when = clock_->Now()});
}

void Scheduler::Wake() { commands_.Wake(); }

SchedulerHealth Scheduler::health() const { return heartbeat_.Read(); }

bool Scheduler::RunOneStep() { return loop_->RunOneStep(commands_.Take()); }

}  // namespace strided
