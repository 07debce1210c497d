#include "server/scheduling/step_policy.h"

#include <algorithm>
#include <cmath>

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

int StepsWithin(absl::Duration limit, int max_steps, absl::Duration step_time) {
  if (step_time * max_steps <= limit) return max_steps;
  return std::max(1, static_cast<int>(absl::FDivDuration(limit, step_time)));
}

// Steps that any sequence gets at most.
int MostSteps(const std::vector<RowDemand>& demands, const StepLimits& limits,
              const ExpectedTimes& times) {
  bool prompts = false;
  for (const RowDemand& demand : demands) {
    if (demand.decodes && (demand.begins || demand.granted == 0)) return 1;
    prompts |= !demand.decodes;
  }
  if (!times.step.has_value()) return 1;
  if (!prompts) return StepsWithin(limits.launch_limit, limits.max_steps, *times.step);
  if (!limits.beside_prompts || !times.prompts.has_value()) return 1;
  const int most = StepsWithin(limits.launch_limit / 2, limits.max_steps, *times.step);
  const double outlasting = std::ceil(absl::FDivDuration(*times.prompts, *times.step));
  return std::max(1, static_cast<int>(std::min<double>(most, outlasting)));
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
                                  const ExpectedTimes& times) {
  const int most = MostSteps(demands, limits, times);
  for (RowDemand& demand : demands) {
    demand.steps = demand.decodes ? std::min(most, demand.drawable) : 1;
  }
  return demands;
}

}  // namespace strided
