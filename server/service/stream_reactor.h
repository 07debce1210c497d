// A JobCall with the responses of one method.

#ifndef STRIDED_SERVER_SERVICE_STREAM_REACTOR_H_
#define STRIDED_SERVER_SERVICE_STREAM_REACTOR_H_

#include <grpcpp/grpcpp.h>

#include <optional>
#include <utility>

#include "server/service/job_call.h"
#include "server/service/message_bytes.h"
#include "server/service/stream_event.h"

namespace strided {

// gRPC's side of a stream whose events `Encoder` turns into responses. At most one write is in
// flight, so the bytes of one response are enough.
template <typename Encoder>
class StreamReactor : public grpc::ServerWriteReactor<grpc::ByteBuffer>, public JobCall {
 protected:
  explicit StreamReactor(const Site& site) : JobCall(site) {}

  // Before Submit.
  void SetEncoder(Encoder encoder) { encoder_.emplace(std::move(encoder)); }

 private:
  // StreamCall. gRPC calls OnWriteDone once for each.
  void Write(StreamEvent event) override {
    response_ = MessageBytes(encoder_->Encode(std::move(event)));
    recorder().CountSent();
    StartWrite(&response_);
  }
  // JobCall. No write may be in flight or come after it.
  void SendStatus(grpc::Status status) override {
    grpc::ServerWriteReactor<grpc::ByteBuffer>::Finish(std::move(status));
  }

  // grpc::ServerWriteReactor, from any of gRPC's threads; OnDone comes last, and once.
  void OnWriteDone(bool ok) override { WriteDone(ok); }
  void OnCancel() override { Cancelled(); }
  void OnDone() override { Done(); }

  std::optional<Encoder> encoder_;
  grpc::ByteBuffer response_;  // while a write is in flight, gRPC reads it
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_STREAM_REACTOR_H_
