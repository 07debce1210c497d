#include "tests/client/cpp/scripted_server.h"

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace strided::client {

void ScriptedServer::Record::NoteMetadata(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find("authorization");
  absl::MutexLock lock(&mu);
  authorization = found == context.client_metadata().end()
                      ? std::string()
                      : std::string(found->second.data(), found->second.size());
}

class ScriptedServer::Sampling final : public v1::SamplingService::Service {
 public:
  Sampling(const Script& script, Record* record) : script_(script), record_(record) {}

  grpc::Status Generate(grpc::ServerContext* context, const v1::GenerateRequest* request,
                        Script::GenerateWriter* writer) override {
    record_->NoteMetadata(*context);
    int call = 0;
    {
      absl::MutexLock lock(&record_->mu);
      call = static_cast<int>(record_->generate_requests.size());
      record_->generate_requests.push_back(*request);
    }
    if (!script_.generate) return {grpc::StatusCode::UNIMPLEMENTED, "no script"};
    grpc::Status status = script_.generate(*request, call, writer);
    if (context->IsCancelled()) {
      absl::MutexLock lock(&record_->mu);
      ++record_->cancelled;
    }
    return status;
  }

  grpc::Status Score(grpc::ServerContext* context, const v1::ScoreRequest* request,
                     Script::ScoreWriter* writer) override {
    record_->NoteMetadata(*context);
    int call = 0;
    {
      absl::MutexLock lock(&record_->mu);
      call = record_->score_calls++;
    }
    if (!script_.score) return {grpc::StatusCode::UNIMPLEMENTED, "no script"};
    return script_.score(*request, call, writer);
  }

 private:
  const Script& script_;
  Record* const record_;
};

class ScriptedServer::Models final : public v1::ModelService::Service {
 public:
  Models(const Script& script, Record* record) : script_(script), record_(record) {}

  grpc::Status ListModels(grpc::ServerContext* context, const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override {
    record_->NoteMetadata(*context);
    const size_t begin = request->page_token().empty() ? 0 : std::stoul(request->page_token());
    const size_t end =
        std::min(script_.models.size(), begin + static_cast<size_t>(script_.models_per_page));
    for (size_t i = begin; i < end; ++i) *response->add_models() = script_.models[i];
    if (end < script_.models.size()) response->set_next_page_token(std::to_string(end));
    return grpc::Status::OK;
  }

  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override {
    for (const v1::Model& model : script_.models) {
      if (request->name() != model.name()) continue;
      *response->mutable_model() = model;
      return grpc::Status::OK;
    }
    return {grpc::StatusCode::NOT_FOUND, "no model \"" + request->name() + "\""};
  }

 private:
  const Script& script_;
  Record* const record_;
};

ScriptedServer::ScriptedServer(Script script)
    : script_(std::move(script)),
      sampling_(std::make_unique<Sampling>(script_, &record_)),
      models_(std::make_unique<Models>(script_, &record_)) {
  grpc::EnableDefaultHealthCheckService(true);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", script_.credentials, &port);
  builder.RegisterService(sampling_.get());
  builder.RegisterService(models_.get());
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

ScriptedServer::~ScriptedServer() { server_->Shutdown(std::chrono::system_clock::now()); }

void ScriptedServer::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

std::vector<v1::GenerateRequest> ScriptedServer::generate_requests() const {
  absl::MutexLock lock(&record_.mu);
  return record_.generate_requests;
}

std::string ScriptedServer::last_authorization() const {
  absl::MutexLock lock(&record_.mu);
  return record_.authorization;
}

void ScriptedServer::AwaitCancelled(int count) const {
  const auto reached = [this, count]() ABSL_SHARED_LOCKS_REQUIRED(record_.mu) {
    return record_.cancelled >= count;
  };
  absl::MutexLock lock(&record_.mu);
  record_.mu.Await(absl::Condition(&reached));
}

v1::Model TextModel(const std::string& name, uint64_t context_length) {
  v1::Model model;
  model.set_name(name);
  model.set_version("1");
  model.set_fingerprint("f1");
  model.set_state(v1::MODEL_STATE_READY);
  model.set_modality(v1::MODALITY_TEXT);
  model.set_context_length(context_length);
  model.set_vocab_size(256);
  return model;
}

v1::Model ImageModel(uint32_t height, uint32_t width, uint32_t channels) {
  v1::Model model = TextModel("image", uint64_t{height} * width * channels);
  model.set_modality(v1::MODALITY_IMAGE);
  model.mutable_image()->set_height(height);
  model.mutable_image()->set_width(width);
  model.mutable_image()->set_channels(channels);
  return model;
}

v1::Model AudioModel(uint32_t sample_rate_hz) {
  v1::Model model = TextModel("audio", 1000);
  model.set_modality(v1::MODALITY_AUDIO);
  model.mutable_audio()->set_sample_rate_hz(sample_rate_hz);
  model.mutable_audio()->set_encoding(v1::AUDIO_ENCODING_MULAW);
  return model;
}

}  // namespace strided::client
