#include "server/scheduling/step_policy.h"

#include <algorithm>

namespace strided {
namespace {

// The first in precedence of those that have got nothing yet; null if there is none.
RowDemand* NextPrompt(std::vector<RowDemand>& demands) {
  RowDemand* first = nullptr;
  for (RowDemand& demand : demands) {
    if (demand.decodes || demand.granted > 0) continue;
    if (first == nullptr || demand.priority > first->priority ||
        (demand.priority == first->priority && demand.arrival < first->arrival)) {
      first = &demand;
    }
  }
  return first;
}

int StepsWithin(const StepLimits& limits, absl::Duration step_time) {
  if (step_time * limits.max_steps <= limits.launch_limit) return limits.max_steps;
  return std::max(1, static_cast<int>(absl::FDivDuration(limits.launch_limit, step_time)));
}

}  // namespace

std::vector<RowDemand> GrantRows(std::vector<RowDemand> demands, RowLimits limits) {
  int left = limits.max_rows;
  for (RowDemand& demand : demands) {
    demand.granted = demand.decodes && left > 0 ? 1 : 0;
    left -= demand.granted;
  }
  left = std::min(left, limits.prefill_rows);
  while (left > 0) {
    RowDemand* const prompt = NextPrompt(demands);
    if (prompt == nullptr) break;
    prompt->granted = std::min(prompt->ready, left);
    left -= prompt->granted;
  }
  return demands;
}

std::vector<RowDemand> GrantSteps(std::vector<RowDemand> demands, const StepLimits& limits,
                                  std::optional<absl::Duration> step_time) {
  const bool all_go_on = std::all_of(demands.begin(), demands.end(), [](const RowDemand& demand) {
    return demand.decodes && !demand.begins && demand.granted > 0;
  });
  const int most = all_go_on && step_time.has_value() ? StepsWithin(limits, *step_time) : 1;
  for (RowDemand& demand : demands) demand.steps = std::min(most, demand.drawable);
  return demands;
}

}  // namespace strided
