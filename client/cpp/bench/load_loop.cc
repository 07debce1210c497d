#include "client/cpp/bench/load_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/retry.h"

namespace strided::client {
namespace {

// How late an interruption is noticed where nothing else happens.
constexpr absl::Duration kLongestWait = absl::Milliseconds(100);

// An open loop against a server that has stopped must not take all memory (about 40 KB a request).
constexpr size_t kMostOpen = 16'384;

// How long a stream of a closed loop stays away after a request: where the server cannot serve now,
// as long as it asks for, and no shorter than the library's own first wait.
absl::Duration WaitAfter(const absl::Status& status) {
  return MaySucceedLater(status) ? WaitBefore(0, status, RetryPolicy()) : absl::ZeroDuration();
}

}  // namespace

LoadLoop::LoadLoop(const Load& load, int index, int count,
                   const std::vector<std::shared_ptr<grpc::Channel>>& channels)
    : load_(load),
      index_(index),
      count_(count),
      schedule_(ShareOf(load.plan, index, count), load.begin),
      window_{schedule_.window_begin(), schedule_.window_end()} {
  for (const auto& channel : channels) stubs_.push_back(v1::SamplingService::NewStub(channel));
}

LoopResult LoadLoop::Run() {
  while (!stopped_ || !calls_.empty()) {
    const absl::Time now = load_.now();
    if (!measuring_ && now >= window_.begin) {
      measuring_ = true;
      cpu_at_begin_ = CpuTimeNow();
    }
    if (!stopped_ && (schedule_.Over(now) || load_.interrupted->cancelled())) {
      Stop(now);
      continue;  // there may be nothing to wait for
    }
    if (!stopped_) BeginDue(now);
    AwaitResult(now);
    Publish();
  }
  LoopResult result = {std::move(measurements_), window_, {}};
  if (measuring_) {
    result.cpu = {cpu_at_end_.process - cpu_at_begin_.process,
                  cpu_at_end_.thread - cpu_at_begin_.thread,
                  cpu_at_end_.waiting - cpu_at_begin_.waiting};
  }
  return result;
}

void LoadLoop::BeginDue(absl::Time now) {
  while (schedule_.next_due() <= now) BeginOne(schedule_.Begin());
}

void LoadLoop::BeginOne(absl::Time due) {
  RequestMeter meter(due, &window_, &measurements_);
  if (calls_.size() >= kMostOpen) {
    const absl::Time now = load_.now();
    End(meter,
        absl::ResourceExhaustedError(absl::StrCat(kMostOpen, " requests are open; not sent")), now);
    return;
  }
  const uint64_t turn = begun_++;
  CallSite site = {stubs_[turn % stubs_.size()].get(), &queue_, load_.token, load_.call_options()};
  site.options.cancellation = &stop_;
  const uint64_t number = turn * static_cast<uint64_t>(count_) + static_cast<uint64_t>(index_);
  meter.CountStart(load_.now());
  std::unique_ptr<LoadCall> call = load_.score
                                       ? StartScore(site, load_.source->Score(number), meter)
                                       : StartGenerate(site, load_.source->Generate(number), meter);
  LoadCall* const key = call.get();
  calls_.emplace(key, std::move(call));
}

void LoadLoop::AwaitResult(absl::Time now) {
  absl::Time deadline = now + kLongestWait;
  if (!stopped_) {
    deadline = std::min({deadline, schedule_.next_due(), schedule_.window_end()});
    if (!measuring_) deadline = std::min(deadline, window_.begin);
  }
  void* tag = nullptr;
  bool ok = false;
  const auto outcome = queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(deadline));
  if (outcome != grpc::CompletionQueue::GOT_EVENT) return;
  auto* const call = static_cast<LoadCall*>(tag);
  const absl::Time arrival = load_.now();
  const std::optional<absl::Status> status = call->Advance(ok, arrival);
  if (!status.has_value()) return;
  End(call->meter(), *status, arrival);
  calls_.erase(call);
}

void LoadLoop::End(RequestMeter& meter, const absl::Status& status, absl::Time now) {
  meter.CountEnd(status, /*cut=*/stopped_ && absl::IsCancelled(status), now);
  schedule_.End(meter.due(), now, WaitAfter(status));
}

void LoadLoop::Stop(absl::Time now) {
  stopped_ = true;
  cpu_at_end_ = CpuTimeNow();
  window_.end = std::min(window_.end, now);
  stop_.Cancel();
}

void LoadLoop::Publish() {
  live_tokens_.store(measurements_.tokens, std::memory_order_relaxed);
  live_ok_.store(measurements_.ok, std::memory_order_relaxed);
  live_errors_.store(measurements_.refused + measurements_.failed, std::memory_order_relaxed);
  live_open_.store(calls_.size(), std::memory_order_relaxed);
}

LoadLoop::Live LoadLoop::live() const {
  return {live_tokens_.load(std::memory_order_relaxed), live_ok_.load(std::memory_order_relaxed),
          live_errors_.load(std::memory_order_relaxed), live_open_.load(std::memory_order_relaxed)};
}

}  // namespace strided::client
