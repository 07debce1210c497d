// absl::Duration on the wire.

#ifndef STRIDED_CLIENT_CPP_PROTO_TIME_H_
#define STRIDED_CLIENT_CPP_PROTO_TIME_H_

#include <google/protobuf/duration.pb.h>

#include "absl/time/time.h"

namespace strided::client {

// Exact: absl's ticks are finer than nanoseconds. A malformed one, with nanoseconds beyond a
// second, is taken as their sum.
inline absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// To the nanosecond below. Requires a finite duration.
inline google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(
      static_cast<int32_t>(absl::IDivDuration(duration, absl::Nanoseconds(1), &duration)));
  return proto;
}

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_PROTO_TIME_H_
