// A whole load: its loops, each on a thread, and what they measured together.

#ifndef STRIDED_CLIENT_CPP_BENCH_LOAD_RUN_H_
#define STRIDED_CLIENT_CPP_BENCH_LOAD_RUN_H_

#include <grpcpp/channel.h>

#include <functional>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "client/cpp/bench/load_loop.h"
#include "client/cpp/bench/measurements.h"

namespace strided::client {

// What one thread did in the window, as shares of it, 0 to 1.
struct ThreadLoad {
  double works = 0;
  double waits = 0;  // for a processor, which others on this machine had
  double sum() const { return works + waits; }
};

struct LoadResult {
  Measurements measurements;
  absl::Duration window;    // how long things were counted; zero if the warm-up was interrupted
  double client_cores = 0;  // processors that this process kept busy in the window, on average
  ThreadLoad busiest_loop;  // the loop whose sum is largest
};

// What several loops measured. Their windows begin together; the longest is the load's.
LoadResult Combined(const std::vector<LoopResult>& loops);

// Makes `load` with `threads` loops that share out `channels`, and returns after its end. `watch`
// is called from this thread about four times a second with the sums of all loops. Requires
// 1 <= threads <= channels.size().
LoadResult RunLoad(const Load& load, int threads,
                   const std::vector<std::shared_ptr<grpc::Channel>>& channels,
                   const std::function<void(const LoadLoop::Live&)>& watch);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_BENCH_LOAD_RUN_H_
