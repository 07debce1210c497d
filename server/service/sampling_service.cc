#include "server/service/sampling_service.h"

#include "server/service/generate_reactor.h"
#include "server/service/rpc_recorder.h"
#include "server/service/score_reactor.h"

namespace strided {
namespace {

constexpr RpcName kGenerate = {"strided.v1.SamplingService", "Generate", "server_stream"};
constexpr RpcName kScore = {"strided.v1.SamplingService", "Score", "server_stream"};

}  // namespace

SamplingService::SamplingService(const ServiceContext& context)
    : context_(context), timer_(context.clock) {
  for (const RpcName& name : {kGenerate, kScore}) {
    context_.metrics->RegisterRpc(name.service, name.method, name.type);
  }
  timer_.Start();
}

grpc::ServerWriteReactor<v1::GenerateResponse>* SamplingService::Generate(
    grpc::CallbackServerContext* rpc, const v1::GenerateRequest* request) {
  return GenerateReactor::Launch({context_, &timer_, &calls_, rpc, kGenerate}, *request);
}

grpc::ServerWriteReactor<v1::ScoreResponse>* SamplingService::Score(
    grpc::CallbackServerContext* rpc, const v1::ScoreRequest* request) {
  return ScoreReactor::Launch({context_, &timer_, &calls_, rpc, kScore}, *request);
}

}  // namespace strided
