// One switch that ends any number of calls: Ctrl-C, a closed window, a user who has seen enough.

#ifndef STRIDED_CLIENT_CPP_CANCELLATION_H_
#define STRIDED_CLIENT_CPP_CANCELLATION_H_

#include <grpcpp/client_context.h>

#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace strided::client {

// Thread-safe. Outlives the calls and registrations that use it. Cannot be switched back.
class Cancellation {
 public:
  // Keeps a running call under the switch; the destructor takes it out. Not movable, so that it
  // can live beside the context that it names.
  class Registration {
   public:
    // Cancels `context` at once if the switch is already thrown. `cancellation` may be null: then
    // nothing happens. `context` outlives this.
    Registration(Cancellation* cancellation, grpc::ClientContext* context);
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

   private:
    Cancellation* const cancellation_;
    grpc::ClientContext* const context_;
  };

  // Ends every registered call with Cancelled, and every later one as it starts. Returns without
  // waiting for them. Not for signal handlers.
  void Cancel() ABSL_LOCKS_EXCLUDED(mu_);

  // Whether Cancel was called. A call may end with Cancelled only after this is true.
  bool cancelled() const ABSL_LOCKS_EXCLUDED(mu_);

  // Waits for `limit` or for the switch; true if the switch was thrown.
  bool WaitFor(absl::Duration limit) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  mutable absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::set<grpc::ClientContext*> contexts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_CANCELLATION_H_
