// What a server says about an error beside its code and text: the google.rpc details that travel
// in `grpc-status-details-bin`.

#ifndef STRIDED_CLIENT_CPP_ERROR_DETAILS_H_
#define STRIDED_CLIENT_CPP_ERROR_DETAILS_H_

#include <grpcpp/support/status.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace strided::client {

struct FieldViolation {
  std::string field;  // path from the request, e.g. "sampling.top_p"
  std::string description;
};

// Empty where the server said nothing, as for every error that gRPC itself makes (a lost
// connection has no reason).
struct ErrorDetails {
  std::string reason;  // UPPER_SNAKE_CASE, stable, e.g. "QUEUE_FULL"
  std::string domain;
  std::map<std::string, std::string> metadata;  // e.g. {"limit", "3072"}
  std::vector<FieldViolation> fields;
  std::vector<std::string> quotas;            // that were exceeded, as the server describes them
  std::optional<absl::Duration> retry_delay;  // never negative
};

// The outcome of a call: same code and text, the details kept as a payload.
absl::Status StatusOfCall(const grpc::Status& status);

// The details in a status of StatusOfCall. What cannot be read is left out: an error must not hide
// behind a malformed explanation.
ErrorDetails DetailsOf(const absl::Status& status);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_ERROR_DETAILS_H_
