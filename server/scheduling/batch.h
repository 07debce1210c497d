// The sequences that take part in one call of the executor: their rows on the way out, their
// results on the way back.

#ifndef STRIDED_SERVER_SCHEDULING_BATCH_H_
#define STRIDED_SERVER_SCHEDULING_BATCH_H_

#include <cstddef>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "engine/step.h"
#include "server/scheduling/job_state.h"
#include "server/scheduling/job_table.h"
#include "server/scheduling/scheduling_metrics.h"
#include "server/scheduling/step_policy.h"
#include "server/scheduling/step_time_estimate.h"

namespace strided {

// Of the scheduler thread alone. Used again for every call, so that its memory is kept.
class Batch {
 public:
  Batch(const RowLimits& row_limits, const StepLimits& step_limits)
      : row_limits_(row_limits), step_limits_(step_limits) {}

  // What comes next for `jobs`, less those that are paused; without rows where there is nothing to
  // do. Valid until the next call.
  const StepPlan& Plan(const JobTable::Order& jobs);

  // Hands the results of that plan, which ran from `start` to `end`, to its jobs. Returns those of
  // which a sample has ended or which have failed, each once; valid until the next call. Requires
  // that no job has gone since Plan.
  std::span<JobState* const> Deliver(StepResult results, absl::Time start, absl::Time end);

  // What the plan asked for, and after Deliver what came of it. Valid until the next Plan.
  const StepTally& tally() const { return tally_; }

 private:
  // Consecutive rows of the plan, and as many results as they have steps together. Those of one job
  // stand together.
  struct Share {
    JobState* job;
    SequenceState* sample;
    size_t rows;
    size_t results;
  };

  void Gather(const JobTable::Order& jobs);
  void AddRows(Share& share, const RowDemand& demand);
  void CountRows();

  const RowLimits row_limits_;
  const StepLimits step_limits_;
  StepTimeEstimate step_time_;
  std::vector<RowDemand> demands_;
  std::vector<Share> shares_;  // beside demands_
  StepPlan plan_;
  StepTally tally_;
  std::vector<int> rows_of_step_;  // of the plan; tally_ shows it
  std::vector<JobState*> changed_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_BATCH_H_
