// How a scheduler shares its executor.

#ifndef STRIDED_SERVER_SCHEDULING_SCHEDULER_OPTIONS_H_
#define STRIDED_SERVER_SCHEDULING_SCHEDULER_OPTIONS_H_

#include "absl/time/time.h"

namespace strided {

struct SchedulerOptions {
  // Samples that hold a slot at once, >= 1. More: larger batches, longer steps. The executor's
  // max_rows is the most that takes effect, so that a step has a row for each.
  int max_sequences = 64;
  // Prompt and replay rows that one step takes beside the decode rows, >= 1. More: prompts run
  // sooner, and streams stutter more while they do.
  int prefill_rows_per_step = 64;
  // Where all sequences decode, one call of the executor runs several steps of them, if it can: as
  // many as end within this, by the measure of those before; half of it beside prompts
  // (step_policy.h). >= 0; 0: one. More: fewer calls; who
  // comes, cancels or stops waits longer.
  absl::Duration launch_limit = absl::Milliseconds(10);
  // A reader may be behind for so long before its job's slots go to others (the job is replayed
  // when the reader has caught up), and for so long before the job ends with SLOW_READER.
  absl::Duration paused_slot_limit = absl::Seconds(30);
  absl::Duration paused_job_limit = absl::Seconds(300);
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_SCHEDULER_OPTIONS_H_
