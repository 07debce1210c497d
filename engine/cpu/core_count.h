// How many cores the process may keep busy.

#ifndef STRIDED_ENGINE_CPU_CORE_COUNT_H_
#define STRIDED_ENGINE_CPU_CORE_COUNT_H_

#include "absl/strings/string_view.h"

namespace strided {

// The cores that the process may run on, or fewer where a control group (version 2) grants it less
// time; at least 1. Threads that spin beyond that would be stopped for the rest of each period.
int UsableCores();

// The whole cores that the text of a control group's cpu.max grants, rounded up; `otherwise` where
// it sets no limit or is not understood.
int CoresOfQuota(absl::string_view cpu_max, int otherwise);

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_CORE_COUNT_H_
