// When a call that failed is worth another try, and after how long.

#ifndef STRIDED_CLIENT_CPP_RETRY_H_
#define STRIDED_CLIENT_CPP_RETRY_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace strided::client {

struct RetryPolicy {
  // Tries in a row that bring nothing new, after which the last error stands; 0: never try again.
  // With the waits below, 8 tries span about 12 seconds: a server's restart with a small model.
  int tries = 8;
  absl::Duration first_wait = absl::Milliseconds(100);  // doubles with each try
  absl::Duration longest_wait = absl::Seconds(5);
};

// How long to wait before try `number` (0, 1, ...) after `failure`: the policy's wait, or the
// server's own RetryInfo where that is longer, one minute at most. Requires number >= 0.
absl::Duration WaitBefore(int number, const absl::Status& failure, const RetryPolicy& policy);

// Whether the same call may succeed later with nothing lost: Unavailable, which the server gives
// before it runs anything (or with its streams resumable), and gRPC for a lost connection.
bool MaySucceedLater(const absl::Status& failure);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_RETRY_H_
