// A Hugging Face directory with a tokenizer, served over a socket: text in, text out.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/checkpoint/hugging_face_config.h"
#include "engine/checkpoint/hugging_face_layout.h"
#include "engine/text/tokenizer.h"
#include "tests/end_to_end/running_server.h"
#include "tests/testing/random_model.h"
#include "tests/testing/safetensors_writer.h"
#include "tests/testing/small_tokenizer.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

constexpr absl::string_view kConfig =
    R"({"model_type": "gpt_neo", "hidden_size": 8, "num_layers": 2, "num_heads": 2,
        "max_position_embeddings": 512, "window_size": 16, "vocab_size": 300, "bos_token_id": 299,
        "attention_types": [[["global", "local"], 1]]})";

// Random weights under GPT-Neo's names, whose matrices lie as ours do.
std::string RandomWeights() {
  absl::StatusOr<HuggingFaceConfig> config = ParseHuggingFaceConfig(kConfig, "config.json");
  EXPECT_OK(config);
  std::vector<StoredTensor> tensors =
      RandomTensors(config->config, /*seed=*/5, DType::kFloat32, Biases::kAll);
  std::vector<StoredTensor> renamed;
  for (const TensorSpec& spec : TensorCatalog(config->config)) {
    const TensorPlace place = PlaceOf(spec, *config);
    for (StoredTensor& tensor : tensors) {
      if (tensor.name != spec.name || !place.required) continue;
      tensor.name = absl::StrCat("transformer.", place.name);
      renamed.push_back(tensor);
    }
  }
  return SafetensorsFile(renamed);
}

// A server whose only model is that directory.
class TokenServer {
 public:
  TokenServer() : server_({absl::StrCat("--model_repository=", Written().path())}) {}

  RunningServer& operator*() { return server_; }

 private:
  const TemporaryDirectory& Written() {
    root_.Write("neo/1/config.json", kConfig);
    root_.Write("neo/1/model.safetensors", RandomWeights());
    root_.Write("neo/1/tokenizer.json", SmallTokenizer().dump());
    return root_;
  }

  TemporaryDirectory root_;
  RunningServer server_;
};

struct Text {
  std::vector<uint32_t> ids;
  std::string text;
  v1::Started started;
  v1::Finished finished;
};

Text GenerateText(v1::SamplingService::Stub& stub, const v1::GenerateRequest& request) {
  grpc::ClientContext context;
  const auto reader = stub.Generate(&context, request);
  Text got;
  v1::GenerateResponse message;
  while (reader->Read(&message)) {
    if (message.has_started()) got.started = message.started();
    if (message.has_finished()) got.finished = message.finished();
    got.text += message.delta().text();
    for (const uint32_t id : message.delta().ids().ids()) got.ids.push_back(id);
  }
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return got;
}

TEST(TokenModelEndToEndTest, TextGoesInAndComesOut) {
  TokenServer server;
  ASSERT_TRUE((*server).ready());
  const auto stub = (*server).NewStub();
  const v1::GenerateRequest request = RequestFor(60, /*seed=*/3, "the theme");
  const Text got = GenerateText(*stub, request);
  EXPECT_EQ(got.started.prompt_tokens(), 4U);  // the| the|m|e
  EXPECT_EQ(got.ids.size(), 60U);
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer,
                       Tokenizer::FromJson(SmallTokenizer().dump(), "t", kSmallTokenizerVocab));
  std::string text;
  for (const uint32_t id : got.ids) {
    absl::StrAppend(&text, tokenizer.TextOf(static_cast<int32_t>(id)));
  }
  EXPECT_EQ(got.text, text);

  // The same prompt as ids draws the same tokens.
  v1::GenerateRequest ids = request;
  for (const uint32_t id : {257U, 258U, uint32_t{'m'}, uint32_t{'e'}}) {
    ids.mutable_prompt()->mutable_ids()->add_ids(id);
  }
  EXPECT_EQ(GenerateText(*stub, ids).ids, got.ids);

  // And so does its rest, resumed.
  v1::GenerateRequest rest = request;
  rest.mutable_resume()->set_model_fingerprint(got.started.model_fingerprint());
  for (size_t i = 0; i < 20; ++i) {
    rest.mutable_resume()->mutable_generated()->mutable_ids()->add_ids(got.ids[i]);
  }
  EXPECT_EQ(GenerateText(*stub, rest).ids,
            std::vector<uint32_t>(got.ids.begin() + 20, got.ids.end()));
}

TEST(TokenModelEndToEndTest, AStopIsFoundInTheTextAndCutOutOfIt) {
  TokenServer server;
  ASSERT_TRUE((*server).ready());
  const auto stub = (*server).NewStub();
  v1::GenerateRequest request = RequestFor(60, /*seed=*/3, "the");
  // Tokens without text, of which this vocabulary has some, would interrupt a stop.
  for (uint32_t id = 0; id <= 258; ++id) {
    request.mutable_sampling()->mutable_allowed_ids()->add_ids(id);
  }
  const std::string text = GenerateText(*stub, request).text;
  const std::string stop = text.substr(text.size() / 2, 3);
  request.mutable_sampling()->add_stop_sequences(stop);
  const Text got = GenerateText(*stub, request);
  EXPECT_EQ(got.finished.reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(got.finished.matched_stop_sequence(), stop);
  EXPECT_EQ(got.text + got.finished.text_before_stop(), text.substr(0, text.find(stop)));
}

TEST(TokenModelEndToEndTest, ScoresAgreeWithWhatGenerationReports) {
  TokenServer server;
  ASSERT_TRUE((*server).ready());
  const auto stub = (*server).NewStub();
  v1::GenerateRequest request = RequestFor(20, /*seed=*/3, "the");
  const Text got = GenerateText(*stub, request);
  v1::ScoreRequest score;
  score.mutable_sequence()->mutable_ids()->add_ids(257);
  for (const uint32_t id : got.ids) score.mutable_sequence()->mutable_ids()->add_ids(id);
  grpc::ClientContext context;
  const auto reader = stub->Score(&context, score);
  v1::ScoreResponse message;
  double total = std::nan("");
  while (reader->Read(&message)) {
    if (message.has_total_log_prob()) total = message.total_log_prob();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_NEAR(total, got.finished.sum_log_prob(), 1e-4);
}

}  // namespace
}  // namespace strided
