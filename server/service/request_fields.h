// The fields that Generate and Score have in common, checked and resolved one by one. All errors
// are InvalidArgument with the field's path, its value and its limit (field_error.h).

#ifndef STRIDED_SERVER_SERVICE_REQUEST_FIELDS_H_
#define STRIDED_SERVER_SERVICE_REQUEST_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engine/base/clock.h"
#include "engine/model/config.h"
#include "server/repository/served_model.h"
#include "strided/v1/sampling.pb.h"

namespace strided {

// What the server settles where a request leaves it open.
struct Arrival {
  absl::Time time;         // when the request came
  uint64_t seed = 0;       // for a request without one
  std::string request_id;  // for a request without one
};

// With a seed and an id from the operating system's entropy.
Arrival MakeArrival(const Clock& clock);

// `request_id`, or `otherwise` where it is empty. At most 128 bytes of printable ASCII.
absl::StatusOr<std::string> ParseRequestId(absl::string_view request_id, std::string otherwise);

// One value per condition of the model, 0 where the request has none. The model must know every
// name, and the value must be a row of its table.
absl::StatusOr<std::vector<int>> ParseConditions(
    const google::protobuf::Map<std::string, uint32_t>& conditions, const ModelConfig& config);

// At most 32, and at most the vocabulary.
absl::StatusOr<int> ParseTopLogprobs(absl::string_view field, uint32_t top_logprobs,
                                     const ModelConfig& config);

// A valid google.protobuf.Duration: seconds within 10,000 years, |nanos| < 10^9, equal signs.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view field,
                                             const google::protobuf::Duration& duration);

// CONTEXT_LENGTH_EXCEEDED, in bytes, where the caches of `length` tokens do not fit the device even
// with nothing beside them. Requires 1 <= length <= context_length.
absl::Status CheckFitsDevice(absl::string_view field, int length, const ServedModel& model);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_REQUEST_FIELDS_H_
