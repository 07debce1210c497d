#include "client/cpp/bench/cpu_time.h"

#include <ctime>

namespace strided::client {
namespace {

absl::Duration TimeOf(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);  // cannot fail for the two clocks below
  return absl::DurationFromTimespec(time);
}

}  // namespace

CpuTime CpuTimeNow() { return {TimeOf(CLOCK_PROCESS_CPUTIME_ID), TimeOf(CLOCK_THREAD_CPUTIME_ID)}; }

}  // namespace strided::client
