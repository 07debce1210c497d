#include "server/scheduling/scheduling_gauges.h"

namespace strided {
namespace {

void Add(const SchedulingGauges& part, SchedulingGauges& sum) {
  sum.slots += part.slots;
  sum.jobs_running += part.jobs_running;
  sum.sequences_running += part.sequences_running;
  sum.jobs_waiting += part.jobs_waiting;
  sum.paused_jobs_waiting += part.paused_jobs_waiting;
  sum.paused_jobs += part.paused_jobs;
  sum.cache.used_bytes += part.cache.used_bytes;
  sum.cache.capacity_bytes += part.cache.capacity_bytes;
  sum.cache.slots_in_use += part.cache.slots_in_use;
}

}  // namespace

void ShowGauges(const SchedulingGauges& gauges, ModelMetrics* model) {
  model->SetSlotsTotal(gauges.slots);
  model->SetRequestsRunning(gauges.jobs_running);
  model->SetRequestsWaiting(WaitReason::kCapacity, gauges.jobs_waiting);
  model->SetRequestsWaiting(WaitReason::kPausedReader, gauges.paused_jobs_waiting);
  model->SetSequencesRunning(gauges.sequences_running);
  model->SetStreamsPaused(gauges.paused_jobs);
  model->SetCacheBytes(CacheState::kUsed, gauges.cache.used_bytes);
  model->SetCacheBytes(CacheState::kFree, gauges.cache.capacity_bytes - gauges.cache.used_bytes);
}

void SharedGauges::Set(size_t scheduler, const SchedulingGauges& gauges) {
  if (model_ == nullptr) return;
  absl::MutexLock lock(&mu_);
  parts_[scheduler] = gauges;
  SchedulingGauges sum;
  for (const SchedulingGauges& part : parts_) Add(part, sum);
  ShowGauges(sum, model_);
}

}  // namespace strided
