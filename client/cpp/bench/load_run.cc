#include "client/cpp/bench/load_run.h"

#include <algorithm>
#include <thread>

#include "absl/synchronization/notification.h"

namespace strided::client {
namespace {

constexpr absl::Duration kBetweenLooks = absl::Milliseconds(250);

// A loop, and the thread that it runs on.
struct Runner {
  Runner(const Load& load, int index, int count,
         const std::vector<std::shared_ptr<grpc::Channel>>& channels)
      : loop(load, index, count, channels), thread([this] {
          result = loop.Run();
          done.Notify();
        }) {}

  LoadLoop loop;
  LoopResult result;  // of this thread once `done`
  absl::Notification done;
  std::jthread thread;
};

LoadLoop::Live Sum(const std::vector<std::unique_ptr<Runner>>& runners) {
  LoadLoop::Live sum;
  for (const auto& runner : runners) {
    const LoadLoop::Live live = runner->loop.live();
    sum.tokens += live.tokens;
    sum.ok += live.ok;
    sum.errors += live.errors;
    sum.open += live.open;
  }
  return sum;
}

}  // namespace

LoadResult Combined(const std::vector<LoopResult>& loops) {
  LoadResult result;
  for (const LoopResult& loop : loops) {
    result.measurements.Merge(loop.measurements);
    const absl::Duration window = loop.window.end - loop.window.begin;
    if (window <= absl::ZeroDuration()) continue;
    const ThreadLoad load = {absl::FDivDuration(loop.cpu.thread, window),
                             absl::FDivDuration(loop.cpu.waiting, window)};
    if (load.sum() > result.busiest_loop.sum()) result.busiest_loop = load;
    if (window <= result.window) continue;
    result.window = window;
    result.client_cores = absl::FDivDuration(loop.cpu.process, window);
  }
  return result;
}

LoadResult RunLoad(const Load& load, int threads,
                   const std::vector<std::shared_ptr<grpc::Channel>>& channels,
                   const std::function<void(const LoadLoop::Live&)>& watch) {
  std::vector<std::vector<std::shared_ptr<grpc::Channel>>> shares(static_cast<size_t>(threads));
  for (size_t i = 0; i < channels.size(); ++i) shares[i % shares.size()].push_back(channels[i]);
  std::vector<std::unique_ptr<Runner>> runners;
  for (int i = 0; i < threads; ++i) {
    runners.push_back(std::make_unique<Runner>(load, i, threads, shares[static_cast<size_t>(i)]));
  }
  std::vector<LoopResult> results;
  for (const auto& runner : runners) {
    while (!runner->done.WaitForNotificationWithTimeout(kBetweenLooks)) watch(Sum(runners));
    results.push_back(std::move(runner->result));
  }
  return Combined(results);
}

}  // namespace strided::client
