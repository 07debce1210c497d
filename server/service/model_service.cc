#include "server/service/model_service.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/base/quoted.h"
#include "engine/base/status_macros.h"
#include "server/service/field_error.h"
#include "server/service/message_bytes.h"
#include "server/service/model_description.h"
#include "server/service/refusing_reactor.h"
#include "server/service/rpc_recorder.h"
#include "server/service/status_mapping.h"

namespace strided {
namespace {

constexpr RpcName kListModels = {"strided.v1.ModelService", "ListModels", "unary"};
constexpr RpcName kGetModel = {"strided.v1.ModelService", "GetModel", "unary"};
constexpr RpcName kLoadModel = {"strided.v1.ModelService", "LoadModel", "server_stream"};
constexpr RpcName kUnloadModel = {"strided.v1.ModelService", "UnloadModel", "unary"};

constexpr uint32_t kDefaultPageSize = 100;
constexpr uint32_t kMaxPageSize = 1000;

absl::Status NotServed(absl::string_view method) {
  return absl::UnimplementedError(absl::StrCat(
      method, " is not served: models are loaded from the repository when the server starts"));
}

// Names the last entry of a page, behind which the next page begins.
std::string PageToken(const ModelEntry& entry) {
  return absl::StrCat(entry.name, "/", entry.version);
}

absl::StatusOr<v1::ListModelsResponse> MakePage(const grpc::ByteBuffer& bytes,
                                                const std::vector<ModelEntry>& entries) {
  ASSIGN_OR_RETURN(const v1::ListModelsRequest request, ParseMessage<v1::ListModelsRequest>(bytes));
  RETURN_IF_ERROR(CheckRange("page_size", request.page_size(), 0, kMaxPageSize));
  auto next = entries.begin();
  if (!request.page_token().empty()) {
    next = std::find_if(entries.begin(), entries.end(), [&request](const ModelEntry& entry) {
      return PageToken(entry) == request.page_token();
    });
    if (next == entries.end()) {
      return FieldError("page_token", absl::StrCat("is ", Quoted(request.page_token()),
                                                   ", which no page has ended with"));
    }
    ++next;
  }
  const uint32_t size = request.page_size() == 0 ? kDefaultPageSize : request.page_size();
  v1::ListModelsResponse page;
  for (; next != entries.end() && page.models_size() < static_cast<int>(size); ++next) {
    *page.add_models() = DescribeModel(*next);
  }
  if (next != entries.end()) page.set_next_page_token(PageToken(*(next - 1)));
  return page;
}

absl::StatusOr<v1::GetModelResponse> Describe(const grpc::ByteBuffer& bytes,
                                              const ModelSource& models) {
  ASSIGN_OR_RETURN(const v1::GetModelRequest request, ParseMessage<v1::GetModelRequest>(bytes));
  ASSIGN_OR_RETURN(const ModelEntry entry, models.Describe(request.name()));
  v1::GetModelResponse response;
  *response.mutable_model() = DescribeModel(entry);
  return response;
}

grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* rpc, RpcRecorder& recorder,
                                 const absl::Status& status) {
  if (status.ok()) recorder.CountSent();
  recorder.End(status.code());
  grpc::ServerUnaryReactor* const reactor = rpc->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace

ModelService::ModelService(const ServiceContext& context) : context_(context) {
  for (const RpcName& name : {kListModels, kGetModel, kLoadModel, kUnloadModel}) {
    context_.metrics->RegisterRpc(name.service, name.method, name.type);
  }
}

grpc::ServerUnaryReactor* ModelService::ListModels(grpc::CallbackServerContext* rpc,
                                                   const grpc::ByteBuffer* request,
                                                   grpc::ByteBuffer* response) {
  RpcRecorder recorder(kListModels, context_.metrics, context_.clock);
  const absl::StatusOr<v1::ListModelsResponse> page = MakePage(*request, context_.models->List());
  if (page.ok()) *response = MessageBytes(*page);
  return Answer(rpc, recorder, page.status());
}

grpc::ServerUnaryReactor* ModelService::GetModel(grpc::CallbackServerContext* rpc,
                                                 const grpc::ByteBuffer* request,
                                                 grpc::ByteBuffer* response) {
  RpcRecorder recorder(kGetModel, context_.metrics, context_.clock);
  const absl::StatusOr<v1::GetModelResponse> model = Describe(*request, *context_.models);
  if (model.ok()) *response = MessageBytes(*model);
  return Answer(rpc, recorder, model.status());
}

grpc::ServerWriteReactor<v1::LoadModelResponse>* ModelService::LoadModel(
    grpc::CallbackServerContext*, const v1::LoadModelRequest*) {
  RpcRecorder recorder(kLoadModel, context_.metrics, context_.clock);
  const absl::Status error = NotServed(kLoadModel.method);
  recorder.End(error.code());
  return RefusingReactor<v1::LoadModelResponse>::Launch(ToGrpcStatus(error));
}

grpc::ServerUnaryReactor* ModelService::UnloadModel(grpc::CallbackServerContext* rpc,
                                                    const v1::UnloadModelRequest*,
                                                    v1::UnloadModelResponse*) {
  RpcRecorder recorder(kUnloadModel, context_.metrics, context_.clock);
  return Answer(rpc, recorder, NotServed(kUnloadModel.method));
}

}  // namespace strided
