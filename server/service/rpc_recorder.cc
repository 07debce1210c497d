#include "server/service/rpc_recorder.h"

namespace strided {

RpcRecorder::RpcRecorder(const RpcName& name, Metrics* metrics, const Clock* clock)
    : name_(name), metrics_(metrics), clock_(clock), start_(clock->Now()) {
  metrics_->CountRpcStarted(name_.service, name_.method, name_.type);
  metrics_->CountMessagesReceived(name_.service, name_.method, name_.type, 1);
}

void RpcRecorder::CountSent() {
  metrics_->CountMessagesSent(name_.service, name_.method, name_.type, 1);
}

absl::Duration RpcRecorder::End(absl::StatusCode code) {
  const absl::Duration time = clock_->Now() - start_;
  metrics_->CountRpcHandled(name_.service, name_.method, name_.type, absl::StatusCodeToString(code),
                            time);
  return time;
}

}  // namespace strided
