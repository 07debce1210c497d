#include "server/service/sampling_service.h"

#include <algorithm>
#include <thread>

#include "server/service/generate_reactor.h"
#include "server/service/rpc_recorder.h"
#include "server/service/score_reactor.h"

namespace strided {
namespace {

constexpr RpcName kGenerate = {"strided.v1.SamplingService", "Generate", "server_stream"};
constexpr RpcName kScore = {"strided.v1.SamplingService", "Score", "server_stream"};

// Threads that carry messages to gRPC. One alone takes longer for 256 streams than a step of a
// small network does; four, on 16 cores, gave 1 to 3 % more tokens (server/README.md).
size_t TimerCount() { return std::clamp<size_t>(std::thread::hardware_concurrency() / 4, 1, 4); }

}  // namespace

SamplingService::SamplingService(const ServiceContext& context) : context_(context) {
  for (const RpcName& name : {kGenerate, kScore}) {
    context_.metrics->RegisterRpc(name.service, name.method, name.type);
  }
  for (size_t i = 0; i < TimerCount(); ++i) timers_.emplace_back(context.clock).Start();
}

StreamTimer* SamplingService::NextTimer() {
  return &timers_[turn_.fetch_add(1, std::memory_order_relaxed) % timers_.size()];
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* SamplingService::Generate(
    grpc::CallbackServerContext* rpc, const grpc::ByteBuffer* request) {
  return GenerateReactor::Launch({context_, NextTimer(), &calls_, rpc, kGenerate}, *request);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* SamplingService::Score(
    grpc::CallbackServerContext* rpc, const grpc::ByteBuffer* request) {
  return ScoreReactor::Launch({context_, NextTimer(), &calls_, rpc, kScore}, *request);
}

}  // namespace strided
