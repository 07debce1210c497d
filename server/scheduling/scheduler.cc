#include "server/scheduling/scheduler.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "server/scheduling/scheduling_metrics.h"
#include "server/scheduling/sequence_state.h"
#include "server/scheduling/step_loop.h"

namespace strided {

namespace {

JobSize SizeOf(const Job& job, const Executor& executor) {
  // A job that exceeds the context is refused when it is taken in.
  const int length = std::clamp(MaxLength(job), 1, executor.config().context_length);
  return {.sequences = job.samples, .cache_bytes = job.samples * executor.CacheBytes(length)};
}

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, Executor* executor, const Clock* clock,
                     ModelMetrics* metrics, Metrics* objects)
    : Scheduler(options, executor, clock, SchedulingMetrics(metrics, objects)) {}

Scheduler::Scheduler(const SchedulerOptions& options, Executor* executor, const Clock* clock,
                     const SchedulingMetrics& metrics)
    : executor_(executor),
      clock_(clock),
      max_sequences_(MaxSequences(options, *executor)),
      loop_(std::make_unique<StepLoop>(options, executor, clock, metrics, &heartbeat_)) {}

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
    if (!RunOneStepAhead()) commands_.AwaitWork(loop_->IdleLimit());
  }
  loop_->EndAll(commands_.Take(), absl::CancelledError("the server is shutting down"));
}

JobId Scheduler::Submit(Job job, Ticket ticket, TokenSink* sink) {
  LoadShare load(&load_, SizeOf(job, *executor_));
  return commands_.Submit({.id = 0,
                           .job = std::move(job),
                           .ticket = std::move(ticket),
                           .load = std::move(load),
                           .sink = sink,
                           .when = clock_->Now()});
}

double Scheduler::FullnessWith(const Job& job) const {
  const JobSize size = SizeOf(job, *executor_);
  const JobSize taken = load_.total();
  const auto capacity = static_cast<double>(executor_->cache_usage().capacity_bytes);
  const auto bytes = static_cast<double>(size.cache_bytes);
  if (bytes > capacity * job.samples) return std::numeric_limits<double>::infinity();
  const double slots = static_cast<double>(taken.sequences + size.sequences) / max_sequences_;
  const double caches =
      capacity > 0 ? (static_cast<double>(taken.cache_bytes) + bytes) / capacity : 0;
  return std::max(slots, caches);
}

void Scheduler::Cancel(JobId id, absl::Status status) {
  commands_.Cancel({.id = id, .status = std::move(status), .when = clock_->Now()});
}

void Scheduler::Wake() { commands_.Wake(); }

SchedulerHealth Scheduler::health() const { return heartbeat_.Read(); }

bool Scheduler::RunOneStep() {
  const bool ran = RunOneStepAhead();
  loop_->SendMail();
  return ran;
}

bool Scheduler::RunOneStepAhead() { return loop_->RunOneStep(commands_.Take()); }

}  // namespace strided
