#include "server/scheduling/batch.h"

#include <utility>

namespace strided {

const StepPlan& Batch::Plan(const JobTable::Order& jobs, RowLimits limits) {
  Gather(jobs);
  demands_ = GrantRows(std::move(demands_), limits);
  plan_.rows.clear();
  tally_ = {};
  for (size_t i = 0; i < demands_.size(); ++i) {
    const int granted = demands_[i].granted;
    shares_[i].rows = static_cast<size_t>(granted);
    (demands_[i].decodes ? tally_.decode_rows : tally_.prefill_rows) += granted;
    AddRows(*shares_[i].job, *shares_[i].sample, granted);
  }
  return plan_;
}

void Batch::Gather(const JobTable::Order& jobs) {
  demands_.clear();
  shares_.clear();
  for (JobState* const job : jobs) {
    if (job->paused()) continue;
    for (SequenceState& sample : job->samples()) {
      const int ready = job->RowsReady(sample);
      if (ready == 0) continue;
      demands_.push_back({.ready = ready,
                          .decodes = job->Decodes(sample),
                          .priority = job->job().priority,
                          .arrival = job->id()});
      shares_.push_back({.job = job, .sample = &sample, .rows = 0});
    }
  }
}

void Batch::AddRows(const JobState& job, const SequenceState& sample, int rows) {
  const int first = sample.position();
  for (int i = 0; i < rows; ++i) plan_.rows.push_back(job.RowAt(sample, first + i));
}

std::span<JobState* const> Batch::Deliver(StepResult results, absl::Time now) {
  changed_.clear();
  const std::span<const StepRow> rows(plan_.rows);
  size_t first = 0;
  for (const Share& share : shares_) {
    const auto its_rows = rows.subspan(first, share.rows);
    const auto its_results = results.subspan(first, share.rows);
    first += share.rows;
    if (share.rows == 0 || !share.job->failure().ok()) continue;
    const JobState::Delivery delivery =
        share.job->Deliver(*share.sample, its_rows, its_results, now);
    tally_.generated += delivery.generated;
    tally_.replayed += delivery.replayed;
    const bool changed = share.sample->ended() || !share.job->failure().ok();
    if (changed && (changed_.empty() || changed_.back() != share.job)) {
      changed_.push_back(share.job);
    }
  }
  return changed_;
}

}  // namespace strided
