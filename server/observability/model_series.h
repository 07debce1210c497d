// The series of one model version.

#ifndef STRIDED_SERVER_OBSERVABILITY_MODEL_SERIES_H_
#define STRIDED_SERVER_OBSERVABILITY_MODEL_SERIES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/observability/families.h"
#include "server/observability/metrics.h"

namespace strided {

// What the values of the enums in metrics.h are called in labels, in the enums' order: an element
// is found by the value's number.
inline constexpr std::array<const char*, 10> kOutcomeLabels = {
    "ok",      "cancelled",   "client_gone",  "deadline", "rejected_queue", "rejected_quota",
    "invalid", "slow_reader", "engine_error", "draining"};
inline constexpr std::array<const char*, 4> kWaitReasonLabels = {"capacity", "quota",
                                                                 "paused_reader", "loading"};
inline constexpr std::array<const char*, 3> kPhaseLabels = {"prefill", "decode", "mixed"};
inline constexpr std::array<const char*, 3> kCacheStateLabels = {"used", "free", "snapshot"};
inline constexpr std::array<const char*, 6> kModelStateLabels = {"loading",  "warming",  "ready",
                                                                 "draining", "unloaded", "failed"};

// Each call goes to a series that the constructor looked up once, so that a step neither searches
// by label nor allocates. What a call means stands in metrics.h.
//
// Thread-safe: the series are atomics or have locks of their own. Lives no longer than the
// families' registry, which owns them.
class ModelSeries final : public ModelMetrics {
 public:
  // Adds every series with the labels model and version, at 0. `modality` is one more label of the
  // counters of tokens.
  ModelSeries(MetricFamilies& families, absl::string_view model, absl::string_view version,
              absl::string_view modality);

  // ModelMetrics. Durations become seconds.
  void CountRequest(RequestOutcome outcome) override;
  void CountDeviceRequests(absl::string_view device, int64_t requests) override;
  void SetRequestsRunning(int requests) override { requests_running_.Set(requests); }
  void SetRequestsWaiting(WaitReason reason, int requests) override;
  void SetSequencesRunning(int sequences) override { sequences_running_.Set(sequences); }
  void SetSlotsTotal(int slots) override { slots_.Set(slots); }

  void ObserveQueueTime(absl::Duration time) override;
  void ObservePrefillTime(absl::Duration time) override;
  void ObserveDecodeTime(absl::Duration time) override;
  void ObserveRequestTime(absl::Duration time) override;
  void ObserveTimeToFirstToken(absl::Duration time) override;
  void ObserveInterTokenTime(absl::Duration time, int64_t times) override;
  void ObserveStep(StepPhase phase, absl::Duration time, int rows) override;
  void ObserveCancelToFree(absl::Duration time) override;

  void CountPromptTokens(int64_t tokens) override;
  void CountGeneratedTokens(int64_t tokens) override;
  void CountCachedPromptTokens(int64_t tokens) override;
  void CountPreemption() override { preemptions_.Increment(); }
  void CountReplayedTokens(int64_t tokens) override;
  void CountWastedTokens(int64_t tokens) override;
  void CountNonFiniteLogits() override { non_finite_.Increment(); }

  void SetCacheBytes(CacheState state, int64_t bytes) override;
  void SetStreamsPaused(int streams) override { streams_paused_.Set(streams); }
  void AddMailboxTokens(int64_t change) override;
  void SetEngineHealthy(bool healthy) override { engine_healthy_.Set(healthy ? 1 : 0); }
  void SetLastStep(absl::Time when) override;
  // `state` is one of kModelStateLabels: its series becomes 1, the others 0.
  void SetState(absl::string_view state) override;
  void SetLoadTime(absl::Duration time) override;
  // Replaces the series of the fingerprint before, if there was one.
  void SetFingerprint(absl::string_view fingerprint) override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Counter = prometheus::Counter;
  using Gauge = prometheus::Gauge;
  using Histogram = prometheus::Histogram;

  const prometheus::Labels labels_;  // model and version
  std::array<Counter*, kOutcomeLabels.size()> requests_;
  Gauge& requests_running_;
  std::array<Gauge*, kWaitReasonLabels.size()> requests_waiting_;
  Gauge& sequences_running_;
  Gauge& slots_;
  Histogram& queue_time_;
  Histogram& prefill_time_;
  Histogram& decode_time_;
  Histogram& request_time_;
  Histogram& first_token_;
  Histogram& inter_token_;
  Counter& prompt_tokens_;
  Counter& generated_tokens_;
  Counter& cached_tokens_;
  std::array<Histogram*, kPhaseLabels.size()> step_time_;
  std::array<Histogram*, kPhaseLabels.size()> step_rows_;
  std::array<Gauge*, kCacheStateLabels.size()> cache_bytes_;
  Counter& preemptions_;
  Counter& replayed_tokens_;
  Counter& wasted_tokens_;
  Gauge& streams_paused_;
  Gauge& mailbox_tokens_;
  Histogram& cancel_to_free_;
  std::array<Gauge*, kModelStateLabels.size()> state_;
  Gauge& load_time_;
  Gauge& engine_healthy_;
  Gauge& last_step_;
  Counter& non_finite_;

  CounterFamily& device_requests_;
  GaugeFamily& info_;

  absl::Mutex mu_;  // whoever loads a model; held for two look-ups
  Gauge* current_info_ ABSL_GUARDED_BY(mu_) = nullptr;  // null until SetFingerprint
};

}  // namespace strided

#endif  // STRIDED_SERVER_OBSERVABILITY_MODEL_SERIES_H_
