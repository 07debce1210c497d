// The sequences that take part in one step: their rows on the way out, their results on the way
// back.

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

namespace strided {

// Of the scheduler thread alone. Used again for every step, so that its memory is kept.
class Batch {
 public:
  // The next step of `jobs`, less those that are paused; without rows where there is nothing to do.
  // Valid until the next call.
  const StepPlan& Plan(const JobTable::Order& jobs, RowLimits limits);

  // Hands the results of that plan to its jobs. Returns those of which a sample has ended or which
  // have failed, each once; valid until the next call. Requires that no job has gone since Plan.
  std::span<JobState* const> Deliver(StepResult results, absl::Time now);

  // What the plan asked for, and after Deliver what came of it; without its time.
  const StepTally& tally() const { return tally_; }

 private:
  // Consecutive rows of the plan. Those of one job stand together.
  struct Share {
    JobState* job;
    SequenceState* sample;
    size_t rows;
  };

  void Gather(const JobTable::Order& jobs);
  void AddRows(const JobState& job, const SequenceState& sample, int rows);

  std::vector<RowDemand> demands_;
  std::vector<Share> shares_;  // beside demands_
  StepPlan plan_;
  StepTally tally_;
  std::vector<JobState*> changed_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_BATCH_H_
