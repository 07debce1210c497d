// The calls whose jobs are with a scheduler: so that they can be answered when it never will.

#ifndef STRIDED_SERVER_SERVICE_LIVE_CALLS_H_
#define STRIDED_SERVER_SERVICE_LIVE_CALLS_H_

#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace strided {

class JobCall;  // server/service/job_call.h

// Thread-safe. `mu_` is not held while a call is asked for anything.
class LiveCalls {
 public:
  // A job was handed over; until Remove, which comes when its call is over.
  void Add(const std::shared_ptr<JobCall>& call) ABSL_LOCKS_EXCLUDED(mu_);
  // Of a call that was not added: nothing.
  void Remove(const JobCall* call) ABSL_LOCKS_EXCLUDED(mu_);

  // Ends every call with `error`, in the place of a scheduler that hangs, and waits until all have
  // been answered, or for `limit`: false where some have not. Calls that are added afterwards end
  // with it too. Keeps the calls for as long as this lives: a scheduler that goes on after all
  // finds its sinks where they were. So this must live until the schedulers are done with their
  // jobs; the server, whose engine hangs, ends its process instead.
  bool AbandonAll(const absl::Status& error, absl::Duration limit) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // gRPC's threads as calls begin and end, and the server's own. Held for a look-up.
  absl::Mutex mu_;
  std::map<const JobCall*, std::weak_ptr<JobCall>> calls_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<JobCall>> kept_ ABSL_GUARDED_BY(mu_);
  absl::Status abandoned_ ABSL_GUARDED_BY(mu_);  // with what; OK: nobody has been
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_LIVE_CALLS_H_
