// absl::Status -> what a client gets: a code, a text, and google.rpc details.
//
// The details travel in `grpc-status-details-bin`: always ErrorInfo {reason, domain "strided",
// metadata}; BadRequest where a field is named, RetryInfo where a retry makes sense, QuotaFailure
// where a quota is used up (reason QUOTA_EXCEEDED, metadata "subject"). Clients refuse trailers of
// more than 8 KiB, so a text is cut at 1,024 bytes.

#ifndef STRIDED_SERVER_SERVICE_STATUS_MAPPING_H_
#define STRIDED_SERVER_SERVICE_STATUS_MAPPING_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "server/observability/metrics.h"

namespace strided {

// Pure; the codes of the two have equal numbers. An error without a reason has its code's name as
// its reason, e.g. "INVALID_ARGUMENT".
grpc::Status ToGrpcStatus(const absl::Status& status);

// How a request that ended with `status` counts.
RequestOutcome OutcomeOf(const absl::Status& status);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_STATUS_MAPPING_H_
