#include "engine/cuda/plan_parts.h"

#include <algorithm>

namespace strided::cuda {

static_assert(static_cast<int32_t>(RowOutput::kNone) == kWantsNothing &&
              static_cast<int32_t>(RowOutput::kSample) == kWantsSample &&
              static_cast<int32_t>(RowOutput::kScore) == kWantsScore);

void RowGroup::Add(const StepRow& row, size_t plan_row) {
  DecodeRow state;
  state.slot = row.slot;
  state.position = row.position;
  state.input = row.input;
  state.target = row.target;
  state.output = static_cast<int32_t>(row.output);
  state.steps_left = row.steps;
  rows.push_back(state);
  plan_rows.push_back(plan_row);
}

void RowGroup::Clear() {
  rows.clear();
  plan_rows.clear();
}

RowGroup MostStepsFirst(const StepPlan& plan, const RowGroup& group) {
  std::vector<size_t> order = group.plan_rows;
  std::ranges::stable_sort(
      order, [&](size_t a, size_t b) { return plan.rows[a].steps > plan.rows[b].steps; });
  RowGroup sorted;
  for (const size_t row : order) sorted.Add(plan.rows[row], row);
  return sorted;
}

void PlanParts::Divide(const StepPlan& plan, absl::FunctionRef<int(int slot)> prompt_length,
                       bool side_by_side) {
  prompts_.Clear();
  beside_.Clear();
  for (RowGroup& round : rounds_) round.Clear();
  const auto in_prompt = [&](const StepRow& row) { return row.position < prompt_length(row.slot); };
  const bool divides = side_by_side && std::ranges::any_of(plan.rows, in_prompt);
  bool has_prompt = false;  // the row's sequence, in this plan
  size_t round = 0;         // rows of its sequence before it that are none of the prompt
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    const StepRow& row = plan.rows[i];
    if (i == 0 || plan.rows[i - 1].slot != row.slot) {
      has_prompt = false;
      round = 0;
    }
    if (in_prompt(row)) {
      has_prompt = true;
      prompts_.Add(row, i);
      continue;
    }
    if (round == rounds_.size()) rounds_.emplace_back();
    RowGroup& group = divides && !has_prompt && round == 0 ? beside_ : rounds_[round];
    group.Add(row, i);
    ++round;
  }
}

}  // namespace strided::cuda
