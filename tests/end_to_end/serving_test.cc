// What a client gets from the real server over a socket.

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "strided/v1/models.grpc.pb.h"
#include "tests/end_to_end/running_server.h"

namespace strided {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using ::testing::Gt;
using ::testing::HasSubstr;

HealthCheckResponse::ServingStatus HealthOf(const RunningServer& server,
                                            const std::string& service) {
  grpc::ClientContext context;
  HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  const auto stub = Health::NewStub(server.NewChannel());
  EXPECT_TRUE(stub->Check(&context, request, &response).ok()) << service;
  return response.status();
}

TEST(ServingTest, AStreamIsWholeAndRepeatsToTheByte) {
  RunningServer server;
  ASSERT_TRUE(server.ready());
  const auto stub = server.NewStub();
  const Received first = Generate(*stub, RequestFor(300, /*seed=*/7, "prompt"));
  EXPECT_TRUE(first.status.ok()) << first.status.error_message();
  EXPECT_EQ(first.raw.size(), 300u);
  EXPECT_TRUE(first.summary);
  EXPECT_EQ(Generate(*server.NewStub(), RequestFor(300, 7, "prompt")).raw, first.raw);
  EXPECT_NE(Generate(*stub, RequestFor(300, 8, "prompt")).raw, first.raw);
}

TEST(ServingTest, AStreamGoesOnWhereItWasCut) {
  RunningServer server;
  ASSERT_TRUE(server.ready());
  const auto stub = server.NewStub();
  grpc::ClientContext context;
  v1::GenerateResponse started;
  const auto reader = stub->Generate(&context, RequestFor(200, 7, "prompt"));
  ASSERT_TRUE(reader->Read(&started));
  const std::string whole = ReadAll(*reader).raw;
  for (const size_t cut : {size_t{1}, size_t{16}, size_t{199}}) {
    v1::GenerateRequest request = RequestFor(200, 7, "prompt");
    request.mutable_resume()->mutable_generated()->set_raw(whole.substr(0, cut));
    request.mutable_resume()->set_model_fingerprint(started.started().model_fingerprint());
    EXPECT_EQ(Generate(*stub, request).raw, whole.substr(cut)) << "cut at " << cut;
  }
}

TEST(ServingTest, TheLogIsOneJsonObjectALineWhateverAClientSends) {
  RunningServer server;
  ASSERT_TRUE(server.ready());
  v1::GenerateRequest request = RequestFor(1);
  request.set_model("\xff");  // a text that is not UTF-8
  EXPECT_EQ(Generate(*server.NewStub(), request).status.error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  server.process().Signal(SIGTERM);
  ASSERT_EQ(server.process().AwaitExit().value_or(-1), 0);
  EXPECT_THAT(server.process().output(), HasSubstr("\"source\":\"protobuf "));
  const std::string log = server.process().output();
  for (const absl::string_view line : absl::StrSplit(log, '\n', absl::SkipEmpty())) {
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
}

TEST(ServingTest, ScoresAreLogProbabilitiesOfTheSequence) {
  RunningServer server;
  ASSERT_TRUE(server.ready());
  grpc::ClientContext context;
  v1::ScoreRequest request;
  request.mutable_sequence()->set_raw("some text");
  const auto reader = server.NewStub()->Score(&context, request);
  v1::ScoreResponse message;
  int scored = 0;
  double sum = 0;
  double total = 0;
  while (reader->Read(&message)) {
    for (const float log_prob : message.log_probs().chosen()) sum += log_prob;
    scored += message.log_probs().chosen_size();
    if (message.has_total_log_prob()) total = message.total_log_prob();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(scored, 9);
  EXPECT_NEAR(total, sum, 1e-4);
  EXPECT_LT(total, 0);
}

TEST(ServingTest, ModelsAreListed) {
  RunningServer server;
  ASSERT_TRUE(server.ready());
  const auto stub = v1::ModelService::NewStub(server.NewChannel());
  grpc::ClientContext context;
  v1::ListModelsResponse models;
  ASSERT_TRUE(stub->ListModels(&context, {}, &models).ok());
  ASSERT_EQ(models.models_size(), 1);
  EXPECT_EQ(models.models(0).name(), "text");
  EXPECT_EQ(models.models(0).version(), "1");
  EXPECT_EQ(models.models(0).state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(models.models(0).context_length(), static_cast<uint64_t>(kContextLength));
  EXPECT_EQ(models.models(0).fingerprint().size(), 32u);
}

TEST(ServingTest, ACacheTakesTheBytesOfTheFormulaInTheDescriptionAndInTheMetric) {
  RunningServer server;
  ASSERT_TRUE(server.ready());
  grpc::ClientContext model_context;
  v1::GetModelRequest name;
  name.set_name("text");
  v1::GetModelResponse response;
  const auto models = v1::ModelService::NewStub(server.NewChannel());
  ASSERT_TRUE(models->GetModel(&model_context, name, &response).ok());
  // 2 layers of 2 heads, keys and values of 4 float32 each; the window keeps 16 positions.
  constexpr double kPositionBytes = 2 * 2 * (4 + 4) * 4;
  const v1::Model& model = response.model();
  EXPECT_EQ(model.cache_bytes_per_sequence(), 16 * kPositionBytes);
  EXPECT_EQ(model.dense_cache_bytes_per_sequence(), kContextLength * kPositionBytes);

  grpc::ClientContext context;
  v1::GenerateRequest request = RequestFor(kContextLength);
  request.mutable_sampling()->set_samples(3);
  const auto stream = server.NewStub()->Generate(&context, request);
  const std::string used = R"(strided_cache_bytes{model="text",state="used",version="1"})";
  EXPECT_TRUE(Eventually([&] { return server.Series(used) == 3 * 16 * kPositionBytes; }))
      << server.Series(used);
  context.TryCancel();
  EXPECT_TRUE(Eventually([&] { return server.Series(used) == 0; }));
}

TEST(ServingTest, HealthIsServingForTheServerAndItsServices) {
  RunningServer server;
  ASSERT_TRUE(server.ready());
  for (const char* service : {"", "strided.v1.SamplingService", "strided.v1.ModelService"}) {
    EXPECT_EQ(HealthOf(server, service), HealthCheckResponse::SERVING) << service;
  }
}

TEST(ServingTest, ReflectionNamesTheServices) {
  RunningServer server;
  ASSERT_TRUE(server.ready());
  // The messages of reflection are not installed with gRPC's headers. A request with
  // list_services (field 7) set to "" is two bytes; answers hold the names as they are.
  grpc::GenericStub stub(server.NewChannel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  const auto await = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  ASSERT_TRUE(await());
  const grpc::Slice list_services("\x3a\x00", 2);
  call->Write(grpc::ByteBuffer(&list_services, 1), nullptr);
  ASSERT_TRUE(await());
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  ASSERT_TRUE(await());
  grpc::Slice bytes;
  ASSERT_TRUE(answer.DumpToSingleSlice(&bytes).ok());
  const std::string text(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  for (const char* service :
       {"strided.v1.SamplingService", "strided.v1.ModelService", "grpc.health.v1.Health"}) {
    EXPECT_THAT(text, HasSubstr(service));
  }
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  await();
}

TEST(ServingTest, EverySocketServes) {
  const TemporaryDirectory directory;
  const std::string socket = "unix:" + directory.path() + "/socket";
  RunningServer server({"--listen=" + socket, "--listen=127.0.0.1:0"});
  ASSERT_TRUE(server.ready());
  EXPECT_EQ(server.address(), socket);
  EXPECT_EQ(Generate(*server.NewStub(), RequestFor(5)).raw.size(), 5u);
}

TEST(ServingTest, WhatHappensIsCounted) {
  RunningServer server;
  ASSERT_TRUE(server.ready());
  EXPECT_TRUE(Generate(*server.NewStub(), RequestFor(50, 1, "abc")).status.ok());
  ASSERT_TRUE(Eventually([&] { return server.NothingIsLeft(); }));
  for (const auto& [series, value] : std::vector<std::pair<std::string, double>>{
           {R"(strided_requests_total{model="text",outcome="ok",version="1"})", 1},
           {R"(strided_prompt_tokens_total{modality="text",model="text",version="1"})", 3},
           {R"(strided_generated_tokens_total{modality="text",model="text",version="1"})", 50},
           {R"(strided_time_to_first_token_seconds_count{model="text",version="1"})", 1},
           {R"(strided_objects_created_total{object="request"})", 1},
           {R"(strided_model_state{model="text",state="ready",version="1"})", 1},
           {R"(strided_engine_healthy{model="text",version="1"})", 1},
           {R"(grpc_server_handled_total{grpc_code="OK",grpc_method="Generate",)"
            R"(grpc_service="strided.v1.SamplingService",grpc_type="server_stream"})",
            1}}) {
    EXPECT_EQ(server.Series(series), value) << series;
  }
  EXPECT_THAT(server.Series("process_resident_memory_bytes"), Gt(0));
}

}  // namespace
}  // namespace strided
