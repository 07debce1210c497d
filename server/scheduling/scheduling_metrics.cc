#include "server/scheduling/scheduling_metrics.h"

namespace strided {
namespace {

StepPhase PhaseOf(const StepTally& tally) {
  if (tally.decode_rows == 0) return StepPhase::kPrefill;
  return tally.prefill_rows == 0 ? StepPhase::kDecode : StepPhase::kMixed;
}

}  // namespace

void SchedulingMetrics::SetHealthy(bool healthy) const {
  if (model_ != nullptr) model_->SetEngineHealthy(healthy);
}

void SchedulingMetrics::Set(const SchedulingGauges& gauges) const {
  if (shared_ != nullptr) {
    shared_->Set(scheduler_, gauges);
  } else if (model_ != nullptr) {
    ShowGauges(gauges, model_);
  }
}

void SchedulingMetrics::JobStarted(absl::Duration queue_time, int64_t prompt_tokens) const {
  if (model_ == nullptr) return;
  model_->ObserveQueueTime(queue_time);
  model_->CountPromptTokens(prompt_tokens);
}

void SchedulingMetrics::PrefillEnded(absl::Duration prefill_time) const {
  if (model_ != nullptr) model_->ObservePrefillTime(prefill_time);
}

void SchedulingMetrics::FirstTokenPushed(absl::Duration since_submit) const {
  if (model_ != nullptr) model_->ObserveTimeToFirstToken(since_submit);
}

void SchedulingMetrics::TokenDrawn(absl::Duration since_last) const {
  if (model_ != nullptr) model_->ObserveInterTokenTime(since_last, 1);
}

void SchedulingMetrics::Preempted() const {
  if (model_ != nullptr) model_->CountPreemption();
}

void SchedulingMetrics::NonFiniteLogits() const {
  if (model_ != nullptr) model_->CountNonFiniteLogits();
}

void SchedulingMetrics::DecodeEnded(absl::Duration decode_time) const {
  if (model_ != nullptr) model_->ObserveDecodeTime(decode_time);
}

void SchedulingMetrics::TokensWasted(int64_t tokens) const {
  if (model_ != nullptr && tokens > 0) model_->CountWastedTokens(tokens);
}

void SchedulingMetrics::CancelFreedSlots(absl::Duration since_cancel) const {
  if (model_ != nullptr) model_->ObserveCancelToFree(since_cancel);
}

void SchedulingMetrics::StepRan(const StepTally& tally, absl::Time now) const {
  if (model_ == nullptr) return;
  for (const int rows : tally.rows_of_step) {
    model_->ObserveStep(PhaseOf(tally), tally.step_time, rows);
  }
  if (tally.evenly_spaced > 0) {
    model_->ObserveInterTokenTime(tally.step_time, tally.evenly_spaced);
  }
  model_->SetLastStep(now);
  if (tally.generated > 0) model_->CountGeneratedTokens(tally.generated);
  if (tally.replayed > 0) model_->CountReplayedTokens(tally.replayed);
  TokensWasted(tally.wasted);
}

}  // namespace strided
