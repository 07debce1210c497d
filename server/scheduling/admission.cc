#include "server/scheduling/admission.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/error_detail.h"

namespace strided {
namespace {

// A place comes free when some request ends; a draining server's successor is up in seconds.
constexpr absl::Duration kQueueRetryDelay = absl::Seconds(1);
constexpr absl::Duration kDrainRetryDelay = absl::Seconds(5);

absl::Status QueueFull(int limit) {
  return WithRetryAfter(
      WithReason(
          absl::UnavailableError(absl::StrCat("the server has ", limit,
                                              " requests already, as many as it takes at once")),
          {.reason = "QUEUE_FULL",
           .metadata = {{"limit", absl::StrCat(limit)}, {"given", absl::StrCat(limit + 1)}}}),
      kQueueRetryDelay);
}

absl::Status Draining() {
  return WithRetryAfter(
      WithReason(absl::UnavailableError("the server is shutting down and takes no new requests"),
                 {.reason = "DRAINING", .metadata = {}}),
      kDrainRetryDelay);
}

}  // namespace

Ticket::~Ticket() {
  if (admission_ != nullptr) admission_->GiveBack();
}

absl::StatusOr<Ticket> Admission::Admit() {
  {
    absl::MutexLock lock(&mu_);
    if (!draining_ && out_ < max_requests_) {
      ++out_;
      return Ticket(this);
    }
    if (draining_) return Draining();
  }
  return QueueFull(max_requests_);
}

void Admission::StartDraining() {
  absl::MutexLock lock(&mu_);
  draining_ = true;
}

bool Admission::AwaitIdle(absl::Duration limit) {
  const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return out_ == 0; };
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&idle), limit);
}

int Admission::tickets_out() const {
  absl::MutexLock lock(&mu_);
  return out_;
}

void Admission::GiveBack() {
  absl::MutexLock lock(&mu_);
  --out_;
}

}  // namespace strided
