#include "server/scheduling/slot_assigner.h"

#include <iterator>
#include <utility>

namespace strided {

SlotAssigner::SlotAssigner(int max_sequences, Executor* executor, JobTable* jobs)
    : max_sequences_(max_sequences), executor_(executor), jobs_(jobs) {}

std::vector<SlotAssigner::Failure> SlotAssigner::AssignSlots(absl::Time now) {
  std::vector<Failure> failures;
  reserved_ = {};
  // Jobs enter and leave `waiting` on the way: the next is looked up by precedence.
  const JobTable::Order& waiting = jobs_->waiting();
  for (auto next = waiting.begin(); next != waiting.end();) {
    JobState* const job = *next;
    if (!job->paused()) {
      absl::StatusOr<Outcome> outcome = Serve(job, now);
      if (!outcome.ok()) {
        failures.push_back({job, std::move(outcome).status()});
        if (absl::IsInternal(failures.back().status)) break;
      } else if (*outcome == Outcome::kBlocked) {
        break;
      }
    }
    next = waiting.upper_bound(job);
  }
  return failures;
}

int SlotAssigner::live() const {
  int live = 0;
  for (const JobState* job : jobs_->running()) live += job->live();
  return live;
}

absl::StatusOr<SlotAssigner::Outcome> SlotAssigner::Serve(JobState* job, absl::Time now) {
  while (job->waiting() > 0) {
    if (job->AwaitsPrompt()) {
      reserved_.sequences += job->waiting();
      reserved_.bytes += job->waiting() * job->cache_bytes();
      return Outcome::kServed;
    }
    if (!MakeRoom(*job)) break;
    SequenceState& sample = job->NextToStart();
    absl::StatusOr<Slot> slot = Acquire(job, sample);
    if (slot.ok()) {
      job->Occupy(sample, *std::move(slot), now);
      jobs_->Refile(job);
    } else if (!absl::IsResourceExhausted(slot.status())) {
      return std::move(slot).status();
    } else if (!PreemptBelow(job->job().priority)) {  // it has fewer slots than its bytes say
      break;
    }
  }
  if (job->waiting() == 0) return Outcome::kServed;
  // Who waits for room has to wait for somebody.
  if (!jobs_->running().empty()) return Outcome::kBlocked;
  return absl::ResourceExhaustedError("the device has no room although no sequence is running");
}

absl::StatusOr<Slot> SlotAssigner::Acquire(JobState* job, const SequenceState& sample) {
  const SequenceState* const parent = job->PrefillParent();
  if (parent == nullptr) return executor_->StartSequence(sample.Spec());
  return executor_->ForkSequence(parent->slot(), sample.Spec());
}

bool SlotAssigner::MakeRoom(const JobState& job) {
  const int priority = job.job().priority;
  if (Fits(job, {})) return true;
  if (!Fits(job, HeldBelow(priority))) return false;
  while (!Fits(job, {})) {
    if (!PreemptBelow(priority)) return false;
  }
  return true;
}

bool SlotAssigner::Fits(const JobState& job, const Room& freed) const {
  const CacheUsage usage = executor_->cache_usage();
  return live() + 1 + reserved_.sequences - freed.sequences <= max_sequences_ &&
         usage.used_bytes + job.cache_bytes() + reserved_.bytes - freed.bytes <=
             usage.capacity_bytes;
}

SlotAssigner::Room SlotAssigner::HeldBelow(int priority) const {
  Room held;
  for (const JobState* job : jobs_->running()) {
    if (job->job().priority >= priority) continue;
    held.sequences += job->live();
    held.bytes += job->live() * job->cache_bytes();
  }
  return held;
}

bool SlotAssigner::PreemptBelow(int priority) {
  const JobTable::Order& running = jobs_->running();
  if (running.empty()) return false;
  JobState* const victim = *std::prev(running.end());
  if (victim->job().priority >= priority) return false;
  victim->PreemptOne();
  jobs_->Refile(victim);
  return true;
}

}  // namespace strided
