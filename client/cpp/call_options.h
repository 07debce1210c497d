// How one call behaves, whatever it asks for.

#ifndef STRIDED_CLIENT_CPP_CALL_OPTIONS_H_
#define STRIDED_CLIENT_CPP_CALL_OPTIONS_H_

#include "absl/time/time.h"
#include "client/cpp/cancellation.h"
#include "client/cpp/retry.h"

namespace strided::client {

struct CallOptions {
  // The call ends with DeadlineExceeded when this passes, whatever it is doing, waits between tries
  // included.
  absl::Time deadline = absl::InfiniteFuture();

  // Ends the call with Cancelled from any thread. Not owned; outlives the call. May be null.
  Cancellation* cancellation = nullptr;

  // What Generate does when its stream breaks, and Score when it is told to come back later. The
  // other calls are tried once.
  RetryPolicy retry = {};
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_CALL_OPTIONS_H_
