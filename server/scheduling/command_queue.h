// What other threads ask of a scheduler, until its thread takes it in between two steps.

#ifndef STRIDED_SERVER_SCHEDULING_COMMAND_QUEUE_H_
#define STRIDED_SERVER_SCHEDULING_COMMAND_QUEUE_H_

#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/scheduling/admission.h"
#include "server/scheduling/job.h"
#include "server/scheduling/scheduler_load.h"
#include "server/scheduling/token_sink.h"

namespace strided {

// A job on its way in, with all that it holds until it ends: its place in the server and its share
// of the scheduler's load.
struct Submission {
  JobId id = 0;  // given by the queue
  Job job;
  Ticket ticket;
  LoadShare load;
  TokenSink* sink;  // not owned; lives until its Finish
  absl::Time when;  // by the scheduler's clock
};

// The end that someone else wants for a job; the first one counts, and none after the job's end.
struct Cancellation {
  JobId id = 0;
  absl::Status status;  // what the job's sink gets
  absl::Time when;      // by the scheduler's clock
};

// In the order in which they came; a job's cancellation is never taken before its submission.
struct Commands {
  std::vector<Submission> submissions;
  std::vector<Cancellation> cancellations;
  bool woken = false;  // some sink has room again

  bool empty() const { return submissions.empty() && cancellations.empty() && !woken; }
};

// Thread-safe. No call waits for a step.
class CommandQueue {
 public:
  // The job's id: 1, 2, 3, ... in the order of arrival.
  JobId Submit(Submission submission) ABSL_LOCKS_EXCLUDED(mu_);
  // An id that no job has, or has any longer, is no error.
  void Cancel(Cancellation cancellation) ABSL_LOCKS_EXCLUDED(mu_);
  // A sink that was full has room.
  void Wake() ABSL_LOCKS_EXCLUDED(mu_);
  // The scheduler's thread is to end; `stopping` is true from now on.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // All that has come since the last call, in its order. Of the scheduler's thread.
  Commands Take() ABSL_LOCKS_EXCLUDED(mu_);
  // Returns once there is something to take or Stop was called, at the latest after `limit`.
  void AwaitWork(absl::Duration limit) const ABSL_LOCKS_EXCLUDED(mu_);
  bool stopping() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_ || !waiting_.empty(); }

  mutable absl::Mutex mu_;  // held for a push or a swap
  JobId last_id_ ABSL_GUARDED_BY(mu_) = 0;
  Commands waiting_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_COMMAND_QUEUE_H_
