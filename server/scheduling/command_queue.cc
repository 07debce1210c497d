#include "server/scheduling/command_queue.h"

#include <utility>

namespace strided {

JobId CommandQueue::Submit(Submission submission) {
  absl::MutexLock lock(&mu_);
  submission.id = ++last_id_;
  waiting_.submissions.push_back(std::move(submission));
  return last_id_;
}

void CommandQueue::Cancel(Cancellation cancellation) {
  absl::MutexLock lock(&mu_);
  waiting_.cancellations.push_back(std::move(cancellation));
}

void CommandQueue::Wake() {
  absl::MutexLock lock(&mu_);
  waiting_.woken = true;
}

void CommandQueue::Stop() {
  absl::MutexLock lock(&mu_);
  stopping_ = true;
}

Commands CommandQueue::Take() {
  absl::MutexLock lock(&mu_);
  return std::exchange(waiting_, Commands());
}

void CommandQueue::AwaitWork(absl::Duration limit) const {
  absl::MutexLock lock(&mu_);
  mu_.AwaitWithTimeout(absl::Condition(this, &CommandQueue::HasWork), limit);
}

bool CommandQueue::stopping() const {
  absl::MutexLock lock(&mu_);
  return stopping_;
}

}  // namespace strided
