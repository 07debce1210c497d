// Whether a plan keeps the rules of step.h.

#ifndef STRIDED_ENGINE_CPU_PLAN_CHECK_H_
#define STRIDED_ENGINE_CPU_PLAN_CHECK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "engine/cpu/slot_table.h"
#include "engine/model/config.h"
#include "engine/step.h"

namespace strided {

struct PlanLimits {
  int max_rows = 0;
  int vocab_size = 0;
};

// InvalidArgument with the row and what is wrong with it. Marks the sequences that the plan names
// with `plan_number`, which must differ from that of every plan before; changes nothing else, and
// allocates only to refuse.
absl::Status CheckPlan(const StepPlan& plan, const PlanLimits& limits, uint64_t plan_number,
                       SlotTable& slots);

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_PLAN_CHECK_H_
