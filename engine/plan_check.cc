#include "engine/plan_check.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

template <typename... Parts>
absl::Status RowError(size_t row, const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat("plan row ", row, ": ", parts...));
}

absl::Status CheckTokens(const StepRow& row, size_t index, const PlanLimits& limits) {
  const int vocab_size = limits.vocab_size;
  const bool starts = row.position == 0 && limits.has_start_vector;
  if (starts && row.input != kStartInput) {
    return RowError(index, "position 0 takes the start input, not token ", row.input);
  }
  if (!starts && (row.input < 0 || row.input >= vocab_size)) {
    return RowError(index, "input ", row.input, " is not a token; the vocabulary has ", vocab_size);
  }
  if (row.output == RowOutput::kScore && (row.target < 0 || row.target >= vocab_size)) {
    return RowError(index, "target ", row.target, " is not a token; the vocabulary has ",
                    vocab_size);
  }
  return absl::OkStatus();
}

absl::Status CheckSteps(const StepRow& row, size_t index, int max_steps) {
  const int most = row.output == RowOutput::kSample ? max_steps : 1;
  if (row.steps >= 1 && row.steps <= most) return absl::OkStatus();
  return RowError(index, "steps is ", row.steps, "; it must be 1 to ", most);
}

}  // namespace

absl::Status CheckPlan(const StepPlan& plan, const PlanLimits& limits, uint64_t plan_number,
                       absl::FunctionRef<SequenceProgress*(int slot)> find) {
  const size_t rows = plan.rows.size();
  if (rows == 0 || rows > static_cast<size_t>(limits.max_rows)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a plan has 1 to ", limits.max_rows, " rows, not ", rows));
  }
  int expected = 0;  // position of the next row of this sequence
  for (size_t i = 0; i < rows; ++i) {
    const StepRow& row = plan.rows[i];
    SequenceProgress* const sequence = find(row.slot);
    if (sequence == nullptr) return RowError(i, "slot ", row.slot, " is not in use");
    const bool first = i == 0 || plan.rows[i - 1].slot != row.slot;
    if (first) {
      if (sequence->last_plan == plan_number) {
        return RowError(i, "the rows of slot ", row.slot, " do not stand together");
      }
      sequence->last_plan = plan_number;
      expected = sequence->next_position;
    } else if (plan.rows[i - 1].steps > 1) {
      return RowError(i, "slot ", row.slot, " takes several steps, so no row may follow in it");
    }
    RETURN_IF_ERROR(CheckSteps(row, i, limits.max_steps));
    if (row.position != expected) {
      return RowError(i, "slot ", row.slot, " is at position ", expected, ", not ", row.position);
    }
    expected += row.steps;
    if (expected > sequence->max_length) {
      return RowError(i, "slot ", row.slot, " was started for ", sequence->max_length, " steps");
    }
    RETURN_IF_ERROR(CheckTokens(row, i, limits));
  }
  return absl::OkStatus();
}

}  // namespace strided
