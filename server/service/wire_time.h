// Times in the messages' own types.

#ifndef STRIDED_SERVER_SERVICE_WIRE_TIME_H_
#define STRIDED_SERVER_SERVICE_WIRE_TIME_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>

#include "absl/time/time.h"

namespace strided {

// `duration` as the protocol writes it: seconds and nanoseconds of equal sign, truncated to whole
// nanoseconds. Requires a finite time.
inline google::protobuf::Duration WireDuration(absl::Duration duration) {
  google::protobuf::Duration wire;
  wire.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  wire.set_nanos(
      static_cast<int32_t>(absl::IDivDuration(duration, absl::Nanoseconds(1), &duration)));
  return wire;
}

// As WireDuration, since 1970 and with nanoseconds never negative; for times from year 1 on, as
// timestamp.proto allows.
inline google::protobuf::Timestamp WireTimestamp(absl::Time time) {
  google::protobuf::Timestamp wire;
  const int64_t seconds = absl::ToUnixSeconds(time);  // rounded down
  wire.set_seconds(seconds);
  wire.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return wire;
}

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_WIRE_TIME_H_
