#include "server/observability/model_series.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace strided {
namespace {

prometheus::Labels With(prometheus::Labels labels, const char* name, absl::string_view value) {
  labels.emplace(name, std::string(value));
  return labels;
}

// One series for each value of the label `name`.
template <size_t kCount, typename Metric, typename... Arguments>
std::array<Metric*, kCount> EachOf(prometheus::Family<Metric>& family,
                                   const prometheus::Labels& labels, const char* name,
                                   const std::array<const char*, kCount>& values,
                                   const Arguments&... arguments) {
  std::array<Metric*, kCount> series;
  for (size_t i = 0; i < kCount; ++i) {
    series[i] = &family.Add(With(labels, name, values[i]), arguments...);
  }
  return series;
}

template <typename Series, typename Enum>
auto& Of(const Series& series, Enum value) {
  return *series[static_cast<size_t>(value)];
}

}  // namespace

ModelSeries::ModelSeries(MetricFamilies& families, absl::string_view model,
                         absl::string_view version, absl::string_view modality)
    : labels_({{"model", std::string(model)}, {"version", std::string(version)}}),
      requests_(EachOf(families.requests, labels_, "outcome", kOutcomeLabels)),
      requests_running_(families.requests_running.Add(labels_)),
      requests_waiting_(EachOf(families.requests_waiting, labels_, "reason", kWaitReasonLabels)),
      sequences_running_(families.sequences_running.Add(labels_)),
      slots_(families.slots.Add(labels_)),
      queue_time_(families.queue_time.Add(labels_, kDurationBuckets)),
      prefill_time_(families.prefill_time.Add(labels_, kDurationBuckets)),
      decode_time_(families.decode_time.Add(labels_, kDurationBuckets)),
      request_time_(families.request_time.Add(labels_, kDurationBuckets)),
      first_token_(families.first_token.Add(labels_, kFirstTokenBuckets)),
      inter_token_(families.inter_token.Add(labels_, kInterTokenBuckets)),
      prompt_tokens_(families.prompt_tokens.Add(With(labels_, "modality", modality))),
      generated_tokens_(families.generated_tokens.Add(With(labels_, "modality", modality))),
      cached_tokens_(families.cached_tokens.Add(With(labels_, "modality", modality))),
      step_time_(EachOf(families.step_time, labels_, "phase", kPhaseLabels, kStepBuckets)),
      step_rows_(EachOf(families.step_rows, labels_, "phase", kPhaseLabels, kRowBuckets)),
      cache_bytes_(EachOf(families.cache_bytes, labels_, "state", kCacheStateLabels)),
      preemptions_(families.preemptions.Add(labels_)),
      replayed_tokens_(families.replayed_tokens.Add(labels_)),
      wasted_tokens_(families.wasted_tokens.Add(labels_)),
      streams_paused_(families.streams_paused.Add(labels_)),
      mailbox_tokens_(families.mailbox_tokens.Add(labels_)),
      cancel_to_free_(families.cancel_to_free.Add(labels_, kCancelBuckets)),
      state_(EachOf(families.model_state, labels_, "state", kModelStateLabels)),
      load_time_(families.model_load_time.Add(labels_)),
      engine_healthy_(families.engine_healthy.Add(labels_)),
      last_step_(families.last_step.Add(labels_)),
      non_finite_(families.non_finite.Add(labels_)),
      device_requests_(families.device_requests),
      info_(families.model_info) {}

void ModelSeries::CountRequest(RequestOutcome outcome) { Of(requests_, outcome).Increment(); }

void ModelSeries::CountDeviceRequests(absl::string_view device, int64_t requests) {
  device_requests_.Add(With(labels_, "device", device)).Increment(static_cast<double>(requests));
}

void ModelSeries::SetRequestsWaiting(WaitReason reason, int requests) {
  Of(requests_waiting_, reason).Set(requests);
}

void ModelSeries::ObserveQueueTime(absl::Duration time) {
  queue_time_.Observe(absl::ToDoubleSeconds(time));
}
void ModelSeries::ObservePrefillTime(absl::Duration time) {
  prefill_time_.Observe(absl::ToDoubleSeconds(time));
}
void ModelSeries::ObserveDecodeTime(absl::Duration time) {
  decode_time_.Observe(absl::ToDoubleSeconds(time));
}
void ModelSeries::ObserveRequestTime(absl::Duration time) {
  request_time_.Observe(absl::ToDoubleSeconds(time));
}
void ModelSeries::ObserveTimeToFirstToken(absl::Duration time) {
  first_token_.Observe(absl::ToDoubleSeconds(time));
}
void ModelSeries::ObserveInterTokenTime(absl::Duration time, int64_t times) {
  const double seconds = absl::ToDoubleSeconds(time);
  if (times == 1) {
    inter_token_.Observe(seconds);
    return;
  }
  const auto count = static_cast<double>(times);
  thread_local std::vector<double> increments;  // once per call of the executor: keeps its memory
  increments.assign(kInterTokenBuckets.size() + 1, 0);
  const auto bucket = std::ranges::lower_bound(kInterTokenBuckets, seconds);
  increments[static_cast<size_t>(bucket - kInterTokenBuckets.begin())] = count;
  inter_token_.ObserveMultiple(increments, seconds * count);
}
void ModelSeries::ObserveStep(StepPhase phase, absl::Duration time, int rows) {
  Of(step_time_, phase).Observe(absl::ToDoubleSeconds(time));
  Of(step_rows_, phase).Observe(rows);
}
void ModelSeries::ObserveCancelToFree(absl::Duration time) {
  cancel_to_free_.Observe(absl::ToDoubleSeconds(time));
}

void ModelSeries::CountPromptTokens(int64_t tokens) {
  prompt_tokens_.Increment(static_cast<double>(tokens));
}
void ModelSeries::CountGeneratedTokens(int64_t tokens) {
  generated_tokens_.Increment(static_cast<double>(tokens));
}
void ModelSeries::CountCachedPromptTokens(int64_t tokens) {
  cached_tokens_.Increment(static_cast<double>(tokens));
}
void ModelSeries::CountReplayedTokens(int64_t tokens) {
  replayed_tokens_.Increment(static_cast<double>(tokens));
}
void ModelSeries::CountWastedTokens(int64_t tokens) {
  wasted_tokens_.Increment(static_cast<double>(tokens));
}

void ModelSeries::SetCacheBytes(CacheState state, int64_t bytes) {
  Of(cache_bytes_, state).Set(static_cast<double>(bytes));
}
void ModelSeries::AddMailboxTokens(int64_t change) {
  mailbox_tokens_.Increment(static_cast<double>(change));
}
void ModelSeries::SetLastStep(absl::Time when) {
  last_step_.Set(absl::ToDoubleSeconds(when - absl::UnixEpoch()));
}
void ModelSeries::SetState(absl::string_view state) {
  for (size_t i = 0; i < state_.size(); ++i) state_[i]->Set(state == kModelStateLabels[i] ? 1 : 0);
}
void ModelSeries::SetLoadTime(absl::Duration time) { load_time_.Set(absl::ToDoubleSeconds(time)); }

void ModelSeries::SetFingerprint(absl::string_view fingerprint) {
  absl::MutexLock lock(&mu_);
  if (current_info_ != nullptr) info_.Remove(current_info_);
  current_info_ = &info_.Add(With(labels_, "fingerprint", fingerprint));
  current_info_->Set(1);
}

}  // namespace strided
