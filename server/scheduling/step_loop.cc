#include "server/scheduling/step_loop.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/error_detail.h"
#include "server/scheduling/sequence_state.h"
#include "server/scheduling/submission_check.h"

namespace strided {
namespace {

// How late a limit in time, a queue position or an unpaused reader may be noticed for a job that
// holds no slot.
constexpr absl::Duration kScanInterval = absl::Milliseconds(50);

absl::Status SlowReader(absl::Duration limit) {
  return WithReason(
      absl::AbortedError(
          absl::StrCat("the reader has been behind for ", absl::FormatDuration(limit))),
      {.reason = "SLOW_READER", .metadata = {{"limit", absl::FormatDuration(limit)}}});
}

absl::Status EngineError(absl::StatusCode code, absl::string_view what) {
  return WithReason(absl::Status(code, what), {.reason = "ENGINE_ERROR", .metadata = {}});
}

}  // namespace

int MaxSequences(const SchedulerOptions& options, const Executor& executor) {
  return std::max(1, std::min(options.max_sequences, executor.info().max_rows));
}

StepLoop::StepLoop(const SchedulerOptions& options, Executor* executor, const Clock* clock,
                   const SchedulingMetrics& metrics, Heartbeat* heartbeat)
    : options_(options),
      executor_(executor),
      clock_(clock),
      metrics_(metrics),
      heartbeat_(heartbeat),
      slots_(MaxSequences(options, *executor), executor, &jobs_),
      batch_({.max_rows = executor->info().max_rows,
              .prefill_rows = std::max(1, options.prefill_rows_per_step)},
             {.max_steps = executor->info().max_steps,
              .beside_prompts = executor->info().prompts_beside_steps,
              .launch_limit = options.launch_limit}) {
  metrics_.SetHealthy(true);
  SetGauges();
}

bool StepLoop::RunOneStep(Commands commands) {
  bool busy = !commands.empty();
  TakeIn(std::move(commands));
  const absl::Time now = clock_->Now();
  busy |= EnforceLimits(now);
  busy |= AssignSlots(now);
  SetGauges();  // of what runs, before its clients have heard of it
  busy |= RunBatch();
  SetGauges();
  return busy;
}

absl::Duration StepLoop::IdleLimit() const {
  if (jobs_.empty()) return absl::InfiniteDuration();
  return std::max(next_scan_ - clock_->Now(), absl::ZeroDuration());
}

void StepLoop::EndAll(Commands commands, const absl::Status& status) {
  TakeIn(std::move(commands));
  const absl::Time now = clock_->Now();
  while (!jobs_.empty()) {
    const JobTable::Order& jobs = jobs_.running().empty() ? jobs_.waiting() : jobs_.running();
    End(*jobs.begin(), status, now);
  }
  SendMail();
  SetGauges();
}

// -- Commands

void StepLoop::TakeIn(Commands commands) {
  scan_now_ |= commands.woken && paused_waiting_ > 0;
  for (Submission& submission : commands.submissions) Admit(std::move(submission));
  for (const Cancellation& cancellation : commands.cancellations) Cancel(cancellation);
}

void StepLoop::Admit(Submission submission) {
  const absl::Status status =
      engine_failure_.has_value() ? *engine_failure_ : CheckSubmission(submission.job, *executor_);
  if (!status.ok()) {
    { const Ticket returned = std::move(submission.ticket); }  // before the client sees its end
    submission.sink->Finish(status, JobSummary());
    return;
  }
  const int64_t cache_bytes = executor_->CacheBytes(MaxLength(submission.job));
  jobs_.Add(std::make_unique<JobState>(std::move(submission), cache_bytes, &metrics_));
}

void StepLoop::Cancel(const Cancellation& cancellation) {
  JobState* const job = jobs_.Find(cancellation.id);
  if (job == nullptr) return;
  job->VacateAll();
  const absl::Time now = clock_->Now();
  metrics_.CancelFreedSlots(now - cancellation.when);
  End(job, cancellation.status, now);
}

// -- Limits in time

bool StepLoop::EnforceLimits(absl::Time now) {
  visited_.assign(jobs_.running().begin(), jobs_.running().end());
  const bool scan = scan_now_ || now >= next_scan_;
  if (scan) {
    for (JobState* const job : jobs_.waiting()) {
      if (job->live() == 0) visited_.push_back(job);
    }
  }
  bool acted = false;
  for (JobState* const job : visited_) acted |= EnforceLimits(job, now);
  if (scan) Scan(now);
  return acted;
}

bool StepLoop::EnforceLimits(JobState* job, absl::Time now) {
  if (now >= job->job().time_limit) {
    job->EndSamples(FinishReason::kTimeLimit);
    End(job, absl::OkStatus(), now);
    return true;
  }
  job->PollRoom(now);
  if (!job->paused()) return false;
  const absl::Duration paused = job->PausedFor(now);
  if (paused >= options_.paused_job_limit) {
    End(job, SlowReader(options_.paused_job_limit), now);
    return true;
  }
  if (paused < options_.paused_slot_limit || job->live() == 0) return false;
  job->PreemptAll();
  jobs_.Refile(job);
  return true;
}

void StepLoop::Scan(absl::Time now) {
  scan_now_ = false;
  next_scan_ = now + kScanInterval;
  for (JobState* const job : jobs_.running()) job->OfferProgress(0, now);
  int position = 0;
  paused_waiting_ = 0;
  for (JobState* const job : jobs_.waiting()) {
    if (job->live() == 0) {
      job->OfferProgress(position, now);
      paused_waiting_ += job->paused() ? 1 : 0;
    }
    ++position;
  }
}

// -- The step

bool StepLoop::AssignSlots(absl::Time now) {
  heartbeat_->StepStarts(now);  // a device may hang in a start or a fork, too
  const std::vector<SlotAssigner::Failure> failures = slots_.AssignSlots(now);
  const bool fault = !failures.empty() && absl::IsInternal(failures.back().status);
  heartbeat_->StepEnds(/*succeeded=*/!fault);
  for (const SlotAssigner::Failure& failure : failures) {
    if (!absl::IsInternal(failure.status)) End(failure.job, failure.status, now);
  }
  if (fault) FailEngine(failures.back().status, now);
  return !failures.empty();
}

bool StepLoop::RunBatch() {
  const StepPlan& plan = batch_.Plan(jobs_.running());
  if (plan.rows.empty()) return SendMail();
  const absl::Time start = clock_->Now();
  heartbeat_->StepStarts(start);
  const absl::StatusOr<StepResult> results = executor_->RunBeside(plan, [this] { SendMail(); });
  const absl::Time now = clock_->Now();
  heartbeat_->StepEnds(results.ok());
  if (!results.ok()) {
    FailEngine(results.status(), now);
    return true;
  }
  const Batch::CallCost cost{.start = start, .end = now, .side_times = executor_->side_times()};
  const std::span<JobState* const> changed = batch_.Deliver(*results, cost);
  metrics_.StepRan(batch_.tally(), now);
  senders_.assign(jobs_.running().begin(), jobs_.running().end());
  for (JobState* const job : changed) Settle(job, now);
  return true;
}

bool StepLoop::SendMail() {
  if (senders_.empty() && ended_.empty()) return false;
  for (JobState* const job : senders_) {
    if (job->has_mail()) job->SendMail();
  }
  senders_.clear();
  for (const EndedJob& ended : ended_) ended.job->Finish(ended.status, ended.when);
  ended_.clear();
  return true;
}

void StepLoop::Settle(JobState* job, absl::Time now) {
  if (!job->failure().ok()) {
    End(job, job->failure(), now);
  } else if (job->done()) {
    End(job, absl::OkStatus(), now);
  } else {
    jobs_.Refile(job);
  }
}

void StepLoop::End(JobState* job, const absl::Status& status, absl::Time now) {
  job->VacateAll();
  ended_.push_back({jobs_.Remove(job), status, now});
}

void StepLoop::FailEngine(const absl::Status& error, absl::Time now) {
  metrics_.SetHealthy(false);
  engine_failure_ = EngineError(absl::StatusCode::kUnavailable,
                                "the engine has failed; nothing was run for this request");
  const absl::Status interrupted = EngineError(
      absl::StatusCode::kInternal, absl::StrCat("the engine failed: ", error.message()));
  while (!jobs_.running().empty()) End(*jobs_.running().begin(), interrupted, now);
  while (!jobs_.waiting().empty()) {
    JobState* const job = *jobs_.waiting().begin();
    End(job, job->started() ? interrupted : *engine_failure_, now);
  }
}

void StepLoop::SetGauges() const {
  SchedulingGauges gauges;
  gauges.slots = MaxSequences(options_, *executor_);
  gauges.jobs_running = static_cast<int>(jobs_.running().size());
  for (const JobState* job : jobs_.running()) {
    gauges.sequences_running += job->live();
    gauges.paused_jobs += job->paused() ? 1 : 0;
    gauges.jobs_waiting -= job->waiting() > 0 ? 1 : 0;  // counted as running
  }
  gauges.jobs_waiting += static_cast<int>(jobs_.waiting().size()) - paused_waiting_;
  gauges.jobs_waiting = std::max(gauges.jobs_waiting, 0);  // some may have ended since the scan
  gauges.paused_jobs_waiting = paused_waiting_;
  gauges.paused_jobs += paused_waiting_;
  gauges.cache = executor_->cache_usage();
  metrics_.Set(gauges);
}

}  // namespace strided
