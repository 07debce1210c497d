// What happens to jobs, in the terms of the server's metrics.

#ifndef STRIDED_SERVER_SCHEDULING_SCHEDULING_METRICS_H_
#define STRIDED_SERVER_SCHEDULING_SCHEDULING_METRICS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/time/time.h"
#include "server/observability/metrics.h"
#include "server/scheduling/scheduling_gauges.h"

namespace strided {

// Counts one object as created, and as released when destroyed. Move only.
class LiveCount {
 public:
  // `metrics` outlives the count; null: nothing is counted.
  LiveCount(Metrics* metrics, LiveObject object) : metrics_(metrics), object_(object) {
    if (metrics_ != nullptr) metrics_->CountCreated(object_);
  }
  LiveCount(LiveCount&& other) noexcept
      : metrics_(std::exchange(other.metrics_, nullptr)), object_(other.object_) {}
  LiveCount& operator=(LiveCount&& other) noexcept {
    std::swap(metrics_, other.metrics_);
    std::swap(object_, other.object_);
    return *this;
  }
  ~LiveCount() {
    if (metrics_ != nullptr) metrics_->CountReleased(object_);
  }

 private:
  Metrics* metrics_;  // not owned; null after a move
  LiveObject object_;
};

// What one call of the executor did.
struct StepTally {
  int decode_rows = 0;   // of its first step
  int prefill_rows = 0;  // of prompts and replays; where there are some, the call is one step
  std::span<const int> rows_of_step;  // all rows of each step; of whoever made the tally
  int64_t generated = 0;              // tokens drawn and taken in
  int64_t replayed = 0;               // rows that a sequence had run before it lost its slot
  int64_t wasted = 0;                 // tokens drawn beyond a stop
  int64_t evenly_spaced = 0;          // tokens drawn step_time after the one before
  absl::Duration step_time;           // of one step, the executor's alone
};

// Null-safe, so that tests may do without metrics. As thread-safe as the Metrics behind it.
class SchedulingMetrics {
 public:
  // Not owned; each may be null.
  SchedulingMetrics(ModelMetrics* model, Metrics* objects) : model_(model), objects_(objects) {}
  // Of scheduler number `scheduler` of several that serve one model; `gauges` is not owned.
  SchedulingMetrics(ModelMetrics* model, Metrics* objects, SharedGauges* gauges, size_t scheduler)
      : model_(model), objects_(objects), shared_(gauges), scheduler_(scheduler) {}

  // Counts one object more for as long as the result lives.
  LiveCount Count(LiveObject object) const { return LiveCount(objects_, object); }

  void SetHealthy(bool healthy) const;
  // After each call of the executor: how many jobs, slots and cache bytes there are now.
  void Set(const SchedulingGauges& gauges) const;

  // The following are told once each time they happen. A job starts with its first slot, and its
  // prompt's tokens count then; prefill lasts until the prompt has run, decode until the job ends.
  void JobStarted(absl::Duration queue_time, int64_t prompt_tokens) const;
  void PrefillEnded(absl::Duration prefill_time) const;
  void FirstTokenPushed(absl::Duration since_submit) const;
  // Once per step and sequence, not for a sequence's first token, nor for those that a StepTally
  // counts as evenly spaced.
  void TokenDrawn(absl::Duration since_last) const;
  void Preempted() const;
  // A row's logits held NaN or infinity; its job ends with Internal.
  void NonFiniteLogits() const;
  void DecodeEnded(absl::Duration decode_time) const;
  // Drawn for a job that ended with an error, or beyond a stop.
  void TokensWasted(int64_t tokens) const;
  // From the cancellation's arrival to the release of the job's last slot.
  void CancelFreedSlots(absl::Duration since_cancel) const;
  // A call of the executor that ended well, at `now`.
  void StepRan(const StepTally& tally, absl::Time now) const;

 private:
  ModelMetrics* model_;
  Metrics* objects_;
  SharedGauges* shared_ = nullptr;  // null: the gauges are this scheduler's alone
  size_t scheduler_ = 0;            // of shared_
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_SCHEDULING_METRICS_H_
