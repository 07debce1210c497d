// strided.v1.SamplingService: sequences sampled from a model, and the probability that it gives
// them.

#ifndef STRIDED_SERVER_SERVICE_SAMPLING_SERVICE_H_
#define STRIDED_SERVER_SERVICE_SAMPLING_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstddef>
#include <deque>

#include "server/service/live_calls.h"
#include "server/service/service_context.h"
#include "server/service/stream_timer.h"
#include "strided/v1/sampling.grpc.pb.h"

namespace strided {

// Register with a grpc::ServerBuilder; outlives the server. gRPC's threads call the handlers, which
// never block: they look the model up, parse, admit, submit, and leave the rest to the scheduler
// and the call's reactor. Errors are as status_mapping.h says.
class SamplingService final
    : public v1::SamplingService::WithRawCallbackMethod_Generate<
          v1::SamplingService::WithRawCallbackMethod_Score<v1::SamplingService::Service>> {
 public:
  // Starts the threads that wake streams; they end with this object.
  explicit SamplingService(const ServiceContext& context);

  // The reactor belongs to the call, and ends with it (job_call.h). Bytes: message_bytes.h.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Generate(grpc::CallbackServerContext* rpc,
                                                       const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Score(grpc::CallbackServerContext* rpc,
                                                    const grpc::ByteBuffer* request) override;

  // LiveCalls::AbandonAll: for an engine that hangs, so that its scheduler ends no call any more.
  bool AbandonCalls(const absl::Status& error, absl::Duration limit) {
    return calls_.AbandonAll(error, limit);
  }

 private:
  // For a call: they take turns, and a stream stays with its own.
  StreamTimer* NextTimer();

  const ServiceContext context_;
  LiveCalls calls_;
  std::atomic<size_t> turn_ = 0;    // of the next call; relaxed: only an even spread counts
  std::deque<StreamTimer> timers_;  // constant after construction
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_SAMPLING_SERVICE_H_
