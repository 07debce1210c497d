// The gRPC context of one call, set up from its options.

#ifndef STRIDED_CLIENT_CPP_CALL_CONTEXT_H_
#define STRIDED_CLIENT_CPP_CALL_CONTEXT_H_

#include <grpcpp/client_context.h>

#include <string>

#include "absl/status/status.h"
#include "client/cpp/call_options.h"

namespace strided::client {

// Lives as long as the call; for one call only. Not movable: the cancellation names it.
class CallContext {
 public:
  // `token` goes as "authorization: Bearer <token>", or not at all where it is empty. A
  // cancellation that was thrown before cancels the call as it starts.
  CallContext(const std::string& token, const CallOptions& options);

  // Owned by this object; for the stub's method.
  grpc::ClientContext* get() { return &context_; }

 private:
  grpc::ClientContext context_;
  const Cancellation::Registration registration_;
};

// Waits out the delay before try `number` (retry.h) of a call that ended with `failure`. OK when it
// has passed; Cancelled at once when the call is cancelled; DeadlineExceeded at once where the
// deadline would come first.
absl::Status WaitBeforeTry(int number, const absl::Status& failure, const CallOptions& options);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_CALL_CONTEXT_H_
