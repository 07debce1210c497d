// The grpc_server_* series of one RPC.

#ifndef STRIDED_SERVER_SERVICE_RPC_RECORDER_H_
#define STRIDED_SERVER_SERVICE_RPC_RECORDER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engine/base/clock.h"
#include "server/observability/metrics.h"

namespace strided {

// How Prometheus' gRPC series name a method. The views live for ever.
struct RpcName {
  absl::string_view service;  // "strided.v1.SamplingService"
  absl::string_view method;   // "Generate"
  absl::string_view type;     // "unary" or "server_stream"
};

// From the RPC's start, which the constructor counts together with the request message, to End.
// Not thread-safe. The pointees outlive it.
class RpcRecorder {
 public:
  RpcRecorder(const RpcName& name, Metrics* metrics, const Clock* clock);

  // One message more has been handed to gRPC.
  void CountSent();
  // Once, last. Gives the time that the RPC took.
  absl::Duration End(absl::StatusCode code);

  const RpcName& name() const { return name_; }

 private:
  const RpcName name_;
  Metrics* const metrics_;    // not owned
  const Clock* const clock_;  // not owned
  const absl::Time start_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_RPC_RECORDER_H_
