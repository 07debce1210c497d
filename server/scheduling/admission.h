// How many requests a server takes on at once. A full queue is an answer, not a wait.

#ifndef STRIDED_SERVER_SCHEDULING_ADMISSION_H_
#define STRIDED_SERVER_SCHEDULING_ADMISSION_H_

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace strided {

class Admission;

// One request's place. Gives it back when destroyed. Move only.
class Ticket {
 public:
  Ticket(Ticket&& other) noexcept : admission_(std::exchange(other.admission_, nullptr)) {}
  Ticket& operator=(Ticket&& other) noexcept {
    std::swap(admission_, other.admission_);
    return *this;
  }
  ~Ticket();

 private:
  friend class Admission;
  explicit Ticket(Admission* admission) : admission_(admission) {}
  Admission* admission_;  // not owned; null after a move
};

// Thread-safe. Outlives its tickets.
class Admission {
 public:
  // At most `max_requests` (>= 1) tickets are out at once, waiting and running together.
  explicit Admission(int max_requests) : max_requests_(max_requests) {}

  // Unavailable with reason QUEUE_FULL {limit, given} or DRAINING and a retry delay; nothing ran.
  absl::StatusOr<Ticket> Admit() ABSL_LOCKS_EXCLUDED(mu_);

  // From now on every Admit is refused with DRAINING.
  void StartDraining() ABSL_LOCKS_EXCLUDED(mu_);

  // True once no ticket is out; false if `limit` passes first.
  bool AwaitIdle(absl::Duration limit) ABSL_LOCKS_EXCLUDED(mu_);

  int tickets_out() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  friend class Ticket;
  void GiveBack() ABSL_LOCKS_EXCLUDED(mu_);

  const int max_requests_;
  mutable absl::Mutex mu_;
  int out_ ABSL_GUARDED_BY(mu_) = 0;
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_ADMISSION_H_
