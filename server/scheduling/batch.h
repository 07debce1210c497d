// The sequences that take part in one call of the executor: their rows on the way out, their
// results on the way back.

#ifndef STRIDED_SERVER_SCHEDULING_BATCH_H_
#define STRIDED_SERVER_SCHEDULING_BATCH_H_

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "engine/executor.h"
#include "engine/step.h"
#include "server/scheduling/job_state.h"
#include "server/scheduling/job_table.h"
#include "server/scheduling/prompt_time_estimate.h"
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

  // What a call of the executor that ran the plan took.
  struct CallCost {
    absl::Time start;
    absl::Time end;
    std::optional<SideTimes> side_times;  // Executor::side_times
  };
  // Hands the results of that plan, and what it cost, to its jobs. Returns those of
  // which a sample has ended or which have failed, each once; valid until the next call. Requires
  // that no job has gone since Plan.
  std::span<JobState* const> Deliver(StepResult results, const CallCost& cost);

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
  ExpectedTimes Expect() const;
  void Learn(const CallCost& cost);

  const RowLimits row_limits_;
  const StepLimits step_limits_;
  StepTimeEstimate step_time_;
  PromptTimeEstimate prompt_time_;
  std::vector<RowDemand> demands_;
  std::vector<Share> shares_;  // beside demands_
  StepPlan plan_;
  StepTally tally_;
  std::vector<int> rows_of_step_;  // of the plan; tally_ shows it
  std::vector<JobState*> changed_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_BATCH_H_
