// How long prompt rows take beside the steps of a decoding batch, from those that ran: what
// GrantSteps fits steps to.

#ifndef STRIDED_SERVER_SCHEDULING_PROMPT_TIME_ESTIMATE_H_
#define STRIDED_SERVER_SCHEDULING_PROMPT_TIME_ESTIMATE_H_

#include <array>
#include <bit>
#include <cstddef>
#include <optional>

#include "absl/time/time.h"

namespace strided {

// By the power of two that the rows come to: few take as long as launching their kernels does, many
// in proportion. The last of a size tells, since it depends as well on what the steps leave of the
// device. Not thread-safe.
class PromptTimeEstimate {
 public:
  // Requires rows >= 1, as does Of.
  void Add(absl::Duration time, int rows) { times_[SizeOf(rows)] = time; }

  // What `rows` rows will take; none where no such number ran.
  std::optional<absl::Duration> Of(int rows) const { return times_[SizeOf(rows)]; }

 private:
  static size_t SizeOf(int rows) {
    return static_cast<size_t>(std::bit_width(static_cast<unsigned>(rows)));
  }

  std::array<std::optional<absl::Duration>, 33> times_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_PROMPT_TIME_ESTIMATE_H_
