// A plan's rows in the parts that run together: prompts through the network at once, all others
// step by step.

#ifndef STRIDED_ENGINE_CUDA_PLAN_PARTS_H_
#define STRIDED_ENGINE_CUDA_PLAN_PARTS_H_

#include <cstddef>
#include <vector>

#include "absl/functional/function_ref.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/step.h"

namespace strided::cuda {

// Rows as the device knows them.
struct RowGroup {
  std::vector<DecodeRow> rows;
  std::vector<size_t> plan_rows;  // beside `rows`: their numbers in the plan

  bool empty() const { return rows.empty(); }
  void Add(const StepRow& row, size_t plan_row);
  void Clear();
};

// The same rows, those with the most steps first, as decode paths want them.
RowGroup MostStepsFirst(const StepPlan& plan, const RowGroup& group);

// Used again for every plan, so that its memory is kept. Not thread-safe.
class PlanParts {
 public:
  // Divides `plan`, which CheckPlan has found good; `prompt_length` of a slot's sequence. Where
  // prompts run `side_by_side` with steps, `beside` gets what it can.
  void Divide(const StepPlan& plan, absl::FunctionRef<int(int slot)> prompt_length,
              bool side_by_side);

  // Those of prompts, in the plan's order.
  const RowGroup& prompts() const { return prompts_; }
  // What may run at the same time as the prompts: the first row of each sequence that has none of
  // them. Empty where there are no prompts.
  const RowGroup& beside() const { return beside_; }
  // What comes behind both, one after the other: a sequence once in each, its rows in order. Some
  // may be empty.
  const std::vector<RowGroup>& rounds() const { return rounds_; }

 private:
  RowGroup prompts_;
  RowGroup beside_;
  std::vector<RowGroup> rounds_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_PLAN_PARTS_H_
