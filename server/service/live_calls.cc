#include "server/service/live_calls.h"

#include <utility>

#include "server/service/job_call.h"

namespace strided {

void LiveCalls::Add(const std::shared_ptr<JobCall>& call) {
  absl::Status error;
  {
    absl::MutexLock lock(&mu_);
    calls_.emplace(call.get(), call);
    if (abandoned_.ok()) return;
    kept_.push_back(call);
    error = abandoned_;
  }
  call->Abandon(error);
}

void LiveCalls::Remove(const JobCall* call) {
  absl::MutexLock lock(&mu_);
  calls_.erase(call);
}

bool LiveCalls::AbandonAll(const absl::Status& error, absl::Duration limit) {
  std::vector<std::shared_ptr<JobCall>> abandoned;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [key, weak] : calls_) {
      if (std::shared_ptr<JobCall> call = weak.lock()) abandoned.push_back(std::move(call));
    }
    kept_.insert(kept_.end(), abandoned.begin(), abandoned.end());
    abandoned_ = error;
  }
  for (const std::shared_ptr<JobCall>& call : abandoned) call->Abandon(error);
  const auto none_left = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return calls_.empty(); };
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&none_left), limit);
}

}  // namespace strided
