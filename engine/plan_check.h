// Whether a plan keeps the rules of step.h. Shared by the executors.

#ifndef STRIDED_ENGINE_PLAN_CHECK_H_
#define STRIDED_ENGINE_PLAN_CHECK_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "engine/step.h"

namespace strided {

// How far a sequence has come.
struct SequenceProgress {
  int max_length = 0;      // steps that it may ever run
  int next_position = 0;   // the first that it has not run
  uint64_t last_plan = 0;  // the last plan that named it, to find one that names it twice
};

struct PlanLimits {
  int max_rows = 0;
  int max_steps = 1;  // of one row
  int vocab_size = 0;
  bool has_start_vector = true;  // ModelConfig's
};

// InvalidArgument with the row and what is wrong with it. `find` gives the progress of a slot's
// sequence, or null where the slot is not in use. Marks the sequences that the plan names with
// `plan_number`, which must differ from that of every plan before; changes nothing else, and
// allocates only to refuse.
absl::Status CheckPlan(const StepPlan& plan, const PlanLimits& limits, uint64_t plan_number,
                       absl::FunctionRef<SequenceProgress*(int slot)> find);

}  // namespace strided

#endif  // STRIDED_ENGINE_PLAN_CHECK_H_
