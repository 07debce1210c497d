#include "engine/cpu/core_count.h"

#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace strided {

int CoresOfQuota(absl::string_view cpu_max, int otherwise) {
  // "$QUOTA $PERIOD" in microseconds, or "max $PERIOD".
  const std::pair<absl::string_view, absl::string_view> fields =
      absl::StrSplit(absl::StripAsciiWhitespace(cpu_max), absl::MaxSplits(' ', 1));
  int64_t quota = 0;
  int64_t period = 0;
  if (!absl::SimpleAtoi(fields.first, &quota) || !absl::SimpleAtoi(fields.second, &period) ||
      quota <= 0 || period <= 0) {
    return otherwise;
  }
  return static_cast<int>(std::min<int64_t>((quota + period - 1) / period, otherwise));
}

int UsableCores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  const int allowed = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  std::getline(file, quota);
  return std::max(CoresOfQuota(quota, allowed), 1);
}

}  // namespace strided
