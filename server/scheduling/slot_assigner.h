// Who gets a slot, and who loses one.

#ifndef STRIDED_SERVER_SCHEDULING_SLOT_ASSIGNER_H_
#define STRIDED_SERVER_SCHEDULING_SLOT_ASSIGNER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/executor.h"
#include "server/scheduling/job_state.h"
#include "server/scheduling/job_table.h"

namespace strided {

// Of the scheduler thread alone.
//
// Waiting samples are served strictly by precedence: the first that does not fit stops the round,
// so that small jobs never overtake a large one for ever. Two exceptions. A job whose reader is
// behind is passed over. A job whose samples wait for their own prompt to run keeps room for them,
// and others may have what is left.
//
// Preemption: where a sample does not fit, samples of jobs with a strictly lower priority lose
// their slots, those of the last in precedence first, but only if that makes room enough. They wait
// again at their old place, and are replayed. Strictly lower: so no two jobs can take turns at it.
class SlotAssigner {
 public:
  // The pointees outlive the assigner. max_sequences >= 1.
  SlotAssigner(int max_sequences, Executor* executor, JobTable* jobs);

  struct Failure {
    JobState* job;
    absl::Status status;
  };
  // Gives slots to waiting samples as far as there is room. Returns the jobs that could not start
  // for another reason than room, or that found none although nothing else runs. Internal can only
  // be the last: the device has failed, and nobody else was tried.
  std::vector<Failure> AssignSlots(absl::Time now);

  // Samples that hold a slot.
  int live() const;

 private:
  struct Room {
    int sequences = 0;
    int64_t bytes = 0;  // of caches
  };
  enum class Outcome { kServed, kBlocked };

  absl::StatusOr<Outcome> Serve(JobState* job, absl::Time now);
  // For one more sample of `job`, beside what is reserved. False where that cannot be.
  bool MakeRoom(const JobState& job);
  // Whether one more sample of `job` fits, were `freed` given back.
  bool Fits(const JobState& job, const Room& freed) const;
  // By jobs with a lower priority.
  Room HeldBelow(int priority) const;
  // False if no job with a lower priority holds a slot.
  bool PreemptBelow(int priority);
  absl::StatusOr<Slot> Acquire(JobState* job, const SequenceState& sample);

  const int max_sequences_;
  Executor* const executor_;  // not owned
  JobTable* const jobs_;      // not owned
  Room reserved_;             // in this round, for samples that wait for their job's prompt
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_SLOT_ASSIGNER_H_
