#include "client/cpp/bench/cpu_time.h"

#include <cstdint>
#include <ctime>
#include <fstream>

namespace strided::client {
namespace {

absl::Duration TimeOf(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);  // cannot fail for the two clocks below
  return absl::DurationFromTimespec(time);
}

absl::Duration WaitingTime() {
  std::ifstream file("/proc/thread-self/schedstat");
  int64_t running = 0;  // nanoseconds; the clock is finer
  int64_t waiting = 0;
  return file >> running >> waiting ? absl::Nanoseconds(waiting) : absl::ZeroDuration();
}

}  // namespace

CpuTime CpuTimeNow() {
  return {TimeOf(CLOCK_PROCESS_CPUTIME_ID), TimeOf(CLOCK_THREAD_CPUTIME_ID), WaitingTime()};
}

}  // namespace strided::client
