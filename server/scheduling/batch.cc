#include "server/scheduling/batch.h"

#include <algorithm>
#include <utility>

namespace strided {

const StepPlan& Batch::Plan(const JobTable::Order& jobs) {
  Gather(jobs);
  demands_ = GrantRows(std::move(demands_), row_limits_);
  const ExpectedTimes expected = Expect();  // of the demands that the next line moves
  demands_ = GrantSteps(std::move(demands_), step_limits_, expected);
  plan_.rows.clear();
  for (size_t i = 0; i < demands_.size(); ++i) AddRows(shares_[i], demands_[i]);
  CountRows();
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
                          .begins = sample.drawn() == 0,
                          .drawable = job->Drawable(sample),
                          .priority = job->job().priority,
                          .arrival = job->id()});
      shares_.push_back({.job = job, .sample = &sample, .rows = 0, .results = 0});
    }
  }
}

void Batch::AddRows(Share& share, const RowDemand& demand) {
  share.rows = share.results = static_cast<size_t>(demand.granted);
  const int first = share.sample->position();
  for (int i = 0; i < demand.granted; ++i) {
    plan_.rows.push_back(share.job->RowAt(*share.sample, first + i));
  }
  if (demand.steps == 1) return;  // else its one row decodes
  plan_.rows.back().steps = demand.steps;
  share.results = static_cast<size_t>(demand.steps);
}

void Batch::CountRows() {
  tally_ = {};
  rows_of_step_.assign(1, 0);
  for (const RowDemand& demand : demands_) {
    (demand.decodes ? tally_.decode_rows : tally_.prefill_rows) += demand.granted;
    const auto steps = static_cast<size_t>(demand.steps);
    if (rows_of_step_.size() < steps) rows_of_step_.resize(steps, 0);
    rows_of_step_[0] += demand.granted;
    for (size_t step = 1; step < steps; ++step) ++rows_of_step_[step];
  }
  tally_.rows_of_step = rows_of_step_;
}

ExpectedTimes Batch::Expect() const {
  int decoding = 0;
  int prompt_rows = 0;
  for (const RowDemand& demand : demands_) {
    (demand.decodes ? decoding : prompt_rows) += demand.granted;
  }
  ExpectedTimes times;
  if (decoding > 0) times.step = step_time_.Of(decoding);
  if (prompt_rows > 0) times.prompts = prompt_time_.Of(prompt_rows);
  return times;
}

void Batch::Learn(const CallCost& cost) {
  const auto steps = static_cast<int64_t>(rows_of_step_.size());
  tally_.step_time = (cost.end - cost.start) / steps;
  if (tally_.prefill_rows == 0) {
    step_time_.Add(tally_.step_time, tally_.decode_rows);
  } else if (cost.side_times.has_value()) {
    step_time_.Add(cost.side_times->steps / steps, tally_.decode_rows);
    prompt_time_.Add(cost.side_times->prompts, tally_.prefill_rows);
  }
}

std::span<JobState* const> Batch::Deliver(StepResult results, const CallCost& cost) {
  changed_.clear();
  Learn(cost);
  const CallTimes times{.start = cost.start, .end = cost.end, .step_time = tally_.step_time};
  std::span<const StepRow> rows(plan_.rows);
  for (const Share& share : shares_) {
    const auto its_rows = rows.first(share.rows);
    const auto its_results = results.first(share.results);
    rows = rows.subspan(share.rows);
    results = results.subspan(share.results);
    if (share.rows == 0 || !share.job->failure().ok()) continue;
    const JobState::Delivery delivery =
        share.job->Deliver(*share.sample, its_rows, its_results, times);
    tally_.generated += delivery.generated;
    tally_.replayed += delivery.replayed;
    tally_.wasted += delivery.wasted;
    tally_.evenly_spaced += delivery.evenly_spaced;
    const bool changed = share.sample->ended() || !share.job->failure().ok();
    if (changed && (changed_.empty() || changed_.back() != share.job)) {
      changed_.push_back(share.job);
    }
  }
  return changed_;
}

}  // namespace strided
