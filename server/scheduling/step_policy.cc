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

}  // namespace strided
