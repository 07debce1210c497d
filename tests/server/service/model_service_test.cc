#include "server/service/model_service.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/service/test_server.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ModelEntry FailedEntry(const std::string& name) {
  return {.name = name,
          .version = "3",
          .state = ModelState::kFailed,
          .state_reason = "config.json is not there",
          .model = nullptr};
}

// One page, and the token of the next.
struct Page {
  std::vector<std::string> names;
  std::string next;
  grpc::Status status;
};
Page List(TestServer& server, uint32_t size, const std::string& token) {
  v1::ListModelsRequest request;
  request.set_page_size(size);
  request.set_page_token(token);
  v1::ListModelsResponse response;
  grpc::ClientContext context;
  Page page;
  page.status = server.model_stub().ListModels(&context, request, &response);
  for (const v1::Model& model : response.models()) page.names.push_back(model.name());
  page.next = response.next_page_token();
  return page;
}

TEST(ModelServiceTest, BytesThatAreNoRequestAreRefused) {
  TestServer server;
  const Page page = List(server, 0, "\xff");  // a text that is not UTF-8
  EXPECT_EQ(page.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(page.status.error_message(), HasSubstr("no strided.v1.ListModelsRequest"));
  v1::GetModelRequest request;
  request.set_name("\xff");
  v1::GetModelResponse response;
  grpc::ClientContext context;
  const grpc::Status status = server.model_stub().GetModel(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("no strided.v1.GetModelRequest"));
}

TEST(ModelServiceTest, AModelIsDescribedInFull) {
  TestServer server;
  v1::GetModelRequest request;
  request.set_name("fake");
  v1::GetModelResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(server.model_stub().GetModel(&context, request, &response).ok());
  v1::Model expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(name: "fake" version: "1" fingerprint: "fingerprint of fake" state: MODEL_STATE_READY
         modality: MODALITY_TEXT context_length: 64 vocab_size: 256 parameter_count: 1234
         cache_bytes_per_token: 8 cache_bytes_per_sequence: 512
         dense_cache_bytes_per_sequence: 2048
         default_sampling { temperature: 1 top_k: 0 top_p: 1 min_p: 0 typical_p: 1
                            repetition_penalty: 1 presence_penalty: 0 frequency_penalty: 0
                            samples: 1 include_stop: false min_new_tokens: 0 }
         device: "fake" load_time { seconds: 2 } loaded_at { seconds: 1700000000 }
         weight_format: "float32" conditions { name: "mood" values: 3 labels: ["any", "happy", "sad"] })",
      &expected));
  EXPECT_EQ(response.model().ShortDebugString(), expected.ShortDebugString());
}

TEST(ModelServiceTest, AModelThatIsNotReadySaysWhy) {
  TestServer server;
  server.models().Add(FailedEntry("broken"));
  v1::GetModelRequest request;
  request.set_name("broken");
  v1::GetModelResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(server.model_stub().GetModel(&context, request, &response).ok());
  EXPECT_EQ(response.model().ShortDebugString(),
            R"(name: "broken" version: "3" state: MODEL_STATE_FAILED )"
            R"(state_reason: "config.json is not there")");
}

TEST(ModelServiceTest, AnUnknownModelIsNotFound) {
  TestServer server;
  v1::GetModelRequest request;
  request.set_name("nobody");
  v1::GetModelResponse response;
  grpc::ClientContext context;
  const grpc::Status status = server.model_stub().GetModel(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ErrorInfoOf(status).domain(), "strided");
  EXPECT_EQ(server.Metric("grpc_server_handled_total",
                          {{"grpc_method", "GetModel"}, {"grpc_code", "NOT_FOUND"}}),
            1);
}

TEST(ModelServiceTest, PagesListEveryModelOnce) {
  TestServer server;
  for (const char* name : {"p", "q", "r"}) server.models().Add(FailedEntry(name));
  EXPECT_THAT(List(server, 0, "").names, ElementsAre("fake", "p", "q", "r"));
  EXPECT_EQ(List(server, 4, "").next, "");
  const Page first = List(server, 3, "");
  EXPECT_THAT(first.names, ElementsAre("fake", "p", "q"));
  const Page second = List(server, 3, first.next);
  EXPECT_THAT(second.names, ElementsAre("r"));
  EXPECT_EQ(second.next, "");
}

TEST(ModelServiceTest, AWrongPageIsNamedWithItsLimit) {
  TestServer server;
  const grpc::Status size = List(server, 1001, "").status;
  EXPECT_EQ(size.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(size.error_message(), "page_size is 1001; it must lie in [0, 1000]");
  const grpc::Status token = List(server, 1, "never/given").status;
  EXPECT_EQ(token.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(token.error_message(), "page_token is \"never/given\", which no page has ended with");
}

TEST(ModelServiceTest, LoadingAndUnloadingAreNotServed) {
  TestServer server;
  grpc::ClientContext load_context;
  const auto reader = server.model_stub().LoadModel(&load_context, v1::LoadModelRequest());
  v1::LoadModelResponse state;
  EXPECT_FALSE(reader->Read(&state));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
  grpc::ClientContext unload_context;
  v1::UnloadModelResponse response;
  const grpc::Status status =
      server.model_stub().UnloadModel(&unload_context, v1::UnloadModelRequest(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(status.error_message(),
            "UnloadModel is not served: models are loaded from the repository when the server "
            "starts");
}

}  // namespace
}  // namespace strided
