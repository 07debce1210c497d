#include "tests/end_to_end/running_server.h"

#include <google/rpc/error_details.pb.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/server/observability/exposition.h"
#include "tests/server/observability/http_get.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/safetensors_writer.h"

namespace strided {
namespace {

std::vector<std::string> CommandLine(const TemporaryDirectory& models,
                                     const std::vector<std::string>& arguments) {
  std::vector<std::string> line = {StridedProgram(), "--threads=1"};
  const auto set = [&](const std::string& flag, const std::string& value) {
    for (const std::string& argument : arguments) {
      if (argument.starts_with(flag)) return;
    }
    line.push_back(flag + value);
  };
  set("--model_repository=", models.path());
  set("--listen=", "127.0.0.1:0");
  set("--metrics_listen=", "127.0.0.1:0");
  set("--drain_delay=", "0s");
  set("--hung_step_limit=", "24h");  // no test judges how fast a machine is
  line.insert(line.end(), arguments.begin(), arguments.end());
  return line;
}

TemporaryDirectory TextModels() {
  TemporaryDirectory models;
  WriteTextModel(models);
  return models;
}

}  // namespace

void WriteTextModel(const TemporaryDirectory& root, int d_model) {
  const std::string overrides = absl::StrCat(
      R"({"vocab_size": 256, "d_model": )", d_model, R"(, "context_length": )", kContextLength,
      R"(, "position_axes": [1024, 1024], "attention": [{"pattern": "local", "window": 16}]})");
  root.Write("text/1/config.json", SmallConfigText(overrides));
  root.Write("text/1/model.safetensors",
             SafetensorsFile(RandomTensors(SmallConfig(overrides), /*seed=*/1)));
}

RunningServer::RunningServer(const std::vector<std::string>& arguments)
    : models_(TextModels()), process_(CommandLine(models_, arguments)) {
  const absl::StatusOr<std::string> line = process_.AwaitLine("\"message\":\"ready\"");
  if (!line.ok()) {
    ADD_FAILURE() << "the server is not ready: " << line.status();
    return;
  }
  const nlohmann::json ready = nlohmann::json::parse(*line);
  const std::string addresses = ready["listen"];
  address_ = addresses.substr(0, addresses.find(','));
  metrics_address_ = ready["metrics"];
}

std::shared_ptr<grpc::Channel> RunningServer::NewChannel() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // else channels share connections
  return grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments);
}

std::unique_ptr<v1::SamplingService::Stub> RunningServer::NewStub() const {
  return v1::SamplingService::NewStub(NewChannel());
}

double RunningServer::Series(absl::string_view series) const {
  const absl::StatusOr<std::string> scrape = HttpGet(metrics_address_, "/metrics");
  if (!scrape.ok()) return -1;
  return SeriesValue(*scrape, series).value_or(-1);
}

bool RunningServer::NothingIsLeft() const {
  const absl::StatusOr<std::string> scrape = HttpGet(metrics_address_, "/metrics");
  if (!scrape.ok()) return false;
  const auto value = [&](const std::string& series) {
    return SeriesValue(*scrape, series).value_or(-1);
  };
  for (const char* object : {"reactor", "request", "sequence", "slot"}) {
    const std::string label = absl::StrCat("{object=\"", object, "\"}");
    if (value("strided_objects_created_total" + label) !=
        value("strided_objects_released_total" + label)) {
      return false;
    }
  }
  return value(R"(strided_sequences_running{model="text",version="1"})") == 0 &&
         value(R"(strided_requests_running{model="text",version="1"})") == 0 &&
         value(R"(strided_stream_mailbox_tokens{model="text",version="1"})") == 0 &&
         value(R"(strided_cache_bytes{model="text",state="used",version="1"})") == 0;
}

std::string StridedProgram() { return STRIDED_PROGRAM; }
std::string StreamClientProgram() { return STREAM_CLIENT_PROGRAM; }

v1::GenerateRequest RequestFor(uint32_t tokens, uint64_t seed, const std::string& prompt) {
  v1::GenerateRequest request;
  request.mutable_sampling()->set_max_new_tokens(tokens);
  request.mutable_sampling()->set_seed(seed);
  if (!prompt.empty()) request.mutable_prompt()->set_raw(prompt);
  return request;
}

Received ReadAll(grpc::ClientReader<v1::GenerateResponse>& reader) {
  Received received;
  v1::GenerateResponse message;
  while (reader.Read(&message)) {
    if (message.has_delta() && message.delta().sample_index() == 0) {
      received.raw += message.delta().raw();
    }
    received.summary = received.summary || message.has_summary();
  }
  received.status = reader.Finish();
  return received;
}

Received Generate(v1::SamplingService::Stub& stub, const v1::GenerateRequest& request) {
  grpc::ClientContext context;
  return ReadAll(*stub.Generate(&context, request));
}

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::ErrorInfo info;
    if (any.UnpackTo(&info)) return info.reason();
  }
  return "";
}

}  // namespace strided
