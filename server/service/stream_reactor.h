// A JobCall with the types of one method's messages.

#ifndef STRIDED_SERVER_SERVICE_STREAM_REACTOR_H_
#define STRIDED_SERVER_SERVICE_STREAM_REACTOR_H_

#include <grpcpp/grpcpp.h>

#include <optional>
#include <utility>

#include "server/service/job_call.h"
#include "server/service/stream_event.h"

namespace strided {

// gRPC's side of a stream whose events `Encoder` turns into Encoder::Response. At most one write is
// in flight, so one response is enough.
template <typename Encoder>
class StreamReactor : public grpc::ServerWriteReactor<typename Encoder::Response>, public JobCall {
 protected:
  using Response = typename Encoder::Response;

  explicit StreamReactor(const Site& site) : JobCall(site) {}

  // Before Submit.
  void SetEncoder(Encoder encoder) { encoder_.emplace(std::move(encoder)); }

 private:
  // StreamCall. gRPC calls OnWriteDone once for each.
  void Write(StreamEvent event) override {
    response_ = encoder_->Encode(std::move(event));
    recorder().CountSent();
    this->StartWrite(&response_);
  }
  // JobCall. No write may be in flight or come after it.
  void SendStatus(grpc::Status status) override {
    grpc::ServerWriteReactor<Response>::Finish(std::move(status));
  }

  // grpc::ServerWriteReactor, from any of gRPC's threads; OnDone comes last, and once.
  void OnWriteDone(bool ok) override { WriteDone(ok); }
  void OnCancel() override { Cancelled(); }
  void OnDone() override { Done(); }

  std::optional<Encoder> encoder_;
  Response response_;  // while a write is in flight, gRPC reads it
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_STREAM_REACTOR_H_
