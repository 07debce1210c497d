// strided.v1.ModelService: what models the server has, and in which state each of them is.

#ifndef STRIDED_SERVER_SERVICE_MODEL_SERVICE_H_
#define STRIDED_SERVER_SERVICE_MODEL_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "server/service/service_context.h"
#include "strided/v1/models.grpc.pb.h"

namespace strided {

// Register with a grpc::ServerBuilder; outlives the server. gRPC's threads call the handlers, which
// never block. Errors are as status_mapping.h says.
class ModelService final
    : public v1::ModelService::WithRawCallbackMethod_ListModels<
          v1::ModelService::WithRawCallbackMethod_GetModel<
              v1::ModelService::WithCallbackMethod_LoadModel<
                  v1::ModelService::WithCallbackMethod_UnloadModel<v1::ModelService::Service>>>> {
 public:
  explicit ModelService(const ServiceContext& context);

  // Bytes: message_bytes.h.

  // Every version in every state, ordered by name, then version, page by page; the page_token is
  // good as long as the server lives. InvalidArgument for a page_size over 1,000 or a page_token
  // that no answer has given.
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* rpc,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;

  // One version, "name" meaning the highest that is ready. NotFound where the name or the version
  // is not known.
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* rpc,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;

  // Unimplemented: models are loaded when the server starts.
  grpc::ServerWriteReactor<v1::LoadModelResponse>* LoadModel(
      grpc::CallbackServerContext* rpc, const v1::LoadModelRequest* request) override;
  grpc::ServerUnaryReactor* UnloadModel(grpc::CallbackServerContext* rpc,
                                        const v1::UnloadModelRequest* request,
                                        v1::UnloadModelResponse* response) override;

 private:
  const ServiceContext context_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_MODEL_SERVICE_H_
