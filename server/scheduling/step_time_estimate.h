// How long a step of a decoding batch takes, from those that ran: what GrantSteps divides by.

#ifndef STRIDED_SERVER_SCHEDULING_STEP_TIME_ESTIMATE_H_
#define STRIDED_SERVER_SCHEDULING_STEP_TIME_ESTIMATE_H_

#include <algorithm>
#include <optional>

#include "absl/time/time.h"

namespace strided {

// Follows a rise at once and a fall slowly: a call that is too long keeps others waiting, one that
// is too short costs a little. Not thread-safe.
class StepTimeEstimate {
 public:
  // A step of `rows` rows took `time`.
  void Add(absl::Duration time, int rows) {
    const std::optional<absl::Duration> expected = Of(rows);
    const bool falls = expected.has_value() && time < *expected;
    time_ = falls ? *expected - (*expected - time) / kFallDivisor : time;
    rows_ = rows;
  }

  // What a step of `rows` rows will take; none before the first Add. For more rows than the last
  // step had, in proportion: a step's time grows by no more than its rows.
  std::optional<absl::Duration> Of(int rows) const {
    if (rows_ == 0) return std::nullopt;
    return time_ * std::max(rows, rows_) / rows_;
  }

 private:
  static constexpr int kFallDivisor = 4;

  absl::Duration time_;
  int rows_ = 0;  // of the last step; 0: there was none
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_STEP_TIME_ESTIMATE_H_
