// What this process and its calling thread have used of the processors.

#ifndef STRIDED_CLIENT_CPP_BENCH_CPU_TIME_H_
#define STRIDED_CLIENT_CPP_BENCH_CPU_TIME_H_

#include "absl/time/time.h"

namespace strided::client {

struct CpuTime {
  absl::Duration process;  // all threads
  absl::Duration thread;   // the caller's
  // How long the caller's thread was ready and had no processor: others on this machine had it.
  // Zero where the kernel does not say (/proc/thread-self/schedstat).
  absl::Duration waiting;
};

// Since the process, and the thread, began.
CpuTime CpuTimeNow();

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_BENCH_CPU_TIME_H_
