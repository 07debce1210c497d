// Whether an executor's options are in their ranges. Shared by the executors.

#ifndef STRIDED_ENGINE_OPTION_CHECK_H_
#define STRIDED_ENGINE_OPTION_CHECK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace strided {

// InvalidArgument, naming the option, its value and the limit, where it is below `least`.
inline absl::Status CheckAtLeast(absl::string_view name, int64_t value, int64_t least) {
  if (value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", value, "; it must be at least ", least));
}

}  // namespace strided

#endif  // STRIDED_ENGINE_OPTION_CHECK_H_
