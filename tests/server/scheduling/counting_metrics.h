// Metrics that a test reads back as plain numbers.

#ifndef STRIDED_TESTS_SERVER_SCHEDULING_COUNTING_METRICS_H_
#define STRIDED_TESTS_SERVER_SCHEDULING_COUNTING_METRICS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/observability/metrics.h"

namespace strided {

// Not thread-safe: for schedulers that a test steps by itself.
class CountingModelMetrics final : public ModelMetrics {
 public:
  std::map<std::string, int64_t> device_requests;
  int requests_running = 0;
  std::map<WaitReason, int> requests_waiting;
  int sequences_running = 0;
  int slots_total = 0;
  std::vector<absl::Duration> queue_times;
  std::vector<absl::Duration> prefill_times;
  std::vector<absl::Duration> decode_times;
  std::vector<absl::Duration> first_token_times;
  std::vector<absl::Duration> inter_token_times;
  std::vector<absl::Duration> cancel_to_free;
  std::map<StepPhase, int> steps;
  std::vector<absl::Duration> step_times;
  std::vector<int> step_rows;
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
  int preemptions = 0;
  int64_t replayed_tokens = 0;
  int64_t wasted_tokens = 0;
  int non_finite_logits = 0;
  std::map<CacheState, int64_t> cache_bytes;
  int streams_paused = 0;
  bool healthy = false;
  absl::Time last_step = absl::InfinitePast();

  void CountRequest(RequestOutcome) override {}
  void CountDeviceRequests(absl::string_view device, int64_t requests) override {
    device_requests[std::string(device)] += requests;
  }
  void SetRequestsRunning(int requests) override { requests_running = requests; }
  void SetRequestsWaiting(WaitReason reason, int requests) override {
    requests_waiting[reason] = requests;
  }
  void SetSequencesRunning(int sequences) override { sequences_running = sequences; }
  void SetSlotsTotal(int slots) override { slots_total = slots; }
  void ObserveQueueTime(absl::Duration time) override { queue_times.push_back(time); }
  void ObservePrefillTime(absl::Duration time) override { prefill_times.push_back(time); }
  void ObserveDecodeTime(absl::Duration time) override { decode_times.push_back(time); }
  void ObserveRequestTime(absl::Duration) override {}
  void ObserveTimeToFirstToken(absl::Duration time) override { first_token_times.push_back(time); }
  void ObserveInterTokenTime(absl::Duration time, int64_t times) override {
    inter_token_times.insert(inter_token_times.end(), static_cast<size_t>(times), time);
  }
  void ObserveStep(StepPhase phase, absl::Duration time, int rows) override {
    ++steps[phase];
    step_times.push_back(time);
    step_rows.push_back(rows);
  }
  void ObserveCancelToFree(absl::Duration time) override { cancel_to_free.push_back(time); }
  void CountPromptTokens(int64_t tokens) override { prompt_tokens += tokens; }
  void CountGeneratedTokens(int64_t tokens) override { generated_tokens += tokens; }
  void CountCachedPromptTokens(int64_t) override {}
  void CountPreemption() override { ++preemptions; }
  void CountReplayedTokens(int64_t tokens) override { replayed_tokens += tokens; }
  void CountWastedTokens(int64_t tokens) override { wasted_tokens += tokens; }
  void CountNonFiniteLogits() override { ++non_finite_logits; }
  void SetCacheBytes(CacheState state, int64_t bytes) override { cache_bytes[state] = bytes; }
  void SetStreamsPaused(int streams) override { streams_paused = streams; }
  void AddMailboxTokens(int64_t) override {}
  void SetEngineHealthy(bool is_healthy) override { healthy = is_healthy; }
  void SetLastStep(absl::Time when) override { last_step = when; }
  void SetState(absl::string_view) override {}
  void SetLoadTime(absl::Duration) override {}
  void SetFingerprint(absl::string_view) override {}
};

// Counts live objects alone.
class CountingMetrics final : public Metrics {
 public:
  std::map<LiveObject, int> created;
  std::map<LiveObject, int> released;

  ModelMetrics* ForModel(absl::string_view, absl::string_view, absl::string_view) override {
    return nullptr;
  }
  void RegisterRpc(absl::string_view, absl::string_view, absl::string_view) override {}
  void CountRpcStarted(absl::string_view, absl::string_view, absl::string_view) override {}
  void CountRpcHandled(absl::string_view, absl::string_view, absl::string_view, absl::string_view,
                       absl::Duration) override {}
  void CountMessagesReceived(absl::string_view, absl::string_view, absl::string_view,
                             int64_t) override {}
  void CountMessagesSent(absl::string_view, absl::string_view, absl::string_view,
                         int64_t) override {}
  void SetDeviceMemory(absl::string_view, MemoryKind, int64_t) override {}
  void CountCreated(LiveObject object) override { ++created[object]; }
  void CountReleased(LiveObject object) override { ++released[object]; }
  std::shared_ptr<prometheus::Registry> registry() const override { return nullptr; }
};

}  // namespace strided

#endif  // STRIDED_TESTS_SERVER_SCHEDULING_COUNTING_METRICS_H_
