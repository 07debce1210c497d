// One thread's part of a load.

#ifndef STRIDED_CLIENT_CPP_BENCH_LOAD_LOOP_H_
#define STRIDED_CLIENT_CPP_BENCH_LOAD_LOOP_H_

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/cpp/bench/cpu_time.h"
#include "client/cpp/bench/load_call.h"
#include "client/cpp/bench/measurements.h"
#include "client/cpp/bench/request_source.h"
#include "client/cpp/bench/schedule.h"
#include "client/cpp/cancellation.h"

namespace strided::client {

// What all loops of a load share. Pointees outlive them; functions are called from their threads.
struct Load {
  LoadPlan plan;  // of all loops together
  absl::Time begin;
  const RequestSource* source = nullptr;
  bool score = false;  // Score instead of Generate
  std::string token;   // a bearer token; may be empty
  // Of the next call; its cancellation is set here.
  std::function<CallOptions()> call_options = [] { return CallOptions(); };
  const Cancellation* interrupted = nullptr;  // ends the load early
  // The clock; a test's may run ahead of absl::Now(), which waits go by, never behind it.
  std::function<absl::Time()> now = [] { return absl::Now(); };
};

// What a loop has measured, after its end.
struct LoopResult {
  Measurements measurements;
  Window window;  // its end is where the load really ended; before its begin if in the warm-up
  CpuTime cpu;    // used in the window
};

// Holds any number of streams open on one completion queue with the one thread that calls Run.
class LoadLoop {
 public:
  // What is happening, for people to watch.
  struct Live {
    uint64_t tokens = 0;  // in the window so far
    uint64_t ok = 0;      // requests
    uint64_t errors = 0;  // requests
    uint64_t open = 0;    // requests
  };

  // Makes part `index` of `count` of the load, on `channels`, which are used in turn. Requires
  // channels.
  LoadLoop(const Load& load, int index, int count,
           const std::vector<std::shared_ptr<grpc::Channel>>& channels);
  // Makes the load; returns after the end of its last call. Called once.
  LoopResult Run();

  // Thread-safe.
  Live live() const;

 private:
  void BeginDue(absl::Time now);
  void BeginOne(absl::Time due);
  // Takes the result of one operation, or returns when something else is due.
  void AwaitResult(absl::Time now);
  void End(RequestMeter& meter, const absl::Status& status, absl::Time now);
  // No request begins after this; those that are open are cancelled.
  void Stop(absl::Time now);
  void Publish();

  const Load& load_;
  const int index_;
  const int count_;

  // The thread of Run only.
  Schedule schedule_;
  Window window_;
  Measurements measurements_;
  CpuTime cpu_at_begin_;
  CpuTime cpu_at_end_;
  bool measuring_ = false;  // the window has begun
  bool stopped_ = false;
  uint64_t begun_ = 0;
  std::vector<std::unique_ptr<v1::SamplingService::Stub>> stubs_;
  Cancellation stop_;            // of every call
  grpc::CompletionQueue queue_;  // outlives the calls, whose operations name it
  std::unordered_map<LoadCall*, std::unique_ptr<LoadCall>> calls_;

  // Written by the thread of Run, read by any: each counts on its own, so relaxed order does.
  std::atomic<uint64_t> live_tokens_ = 0;
  std::atomic<uint64_t> live_ok_ = 0;
  std::atomic<uint64_t> live_errors_ = 0;
  std::atomic<uint64_t> live_open_ = 0;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_BENCH_LOAD_LOOP_H_
