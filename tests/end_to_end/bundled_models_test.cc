// The models of deploy/models in the real server.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "strided/v1/models.grpc.pb.h"
#include "tests/end_to_end/running_server.h"

namespace strided {
namespace {

constexpr char kBundled[] = "--model_repository=deploy/models";

TEST(BundledModelsTest, EachStreams) {
  RunningServer server({kBundled});
  ASSERT_TRUE(server.ready());
  grpc::ClientContext context;
  v1::ListModelsResponse models;
  ASSERT_TRUE(
      v1::ModelService::NewStub(server.NewChannel())->ListModels(&context, {}, &models).ok());
  EXPECT_GT(models.models_size(), 0);
  for (const v1::Model& model : models.models()) {
    v1::GenerateRequest request = RequestFor(16);
    request.set_model(model.name());
    const Received received = Generate(*server.NewStub(), request);
    EXPECT_TRUE(received.status.ok()) << model.name() << ": " << received.status.error_message();
    EXPECT_TRUE(received.summary);
  }
}

// The start of a file of the repository that is English.
std::string English() {
  constexpr size_t kBytes = 1024;
  std::ifstream file("deploy/models/text/README.md");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_GE(text.size(), kBytes);
  return text.substr(0, kBytes);
}

// Of the text under the text model with weights in this format; NaN where something fails.
double BitsPerByte(const std::string& weight_format, const std::string& text) {
  RunningServer server({kBundled, absl::StrCat("--weight_format=", weight_format)});
  if (!server.ready()) return NAN;
  grpc::ClientContext context;
  v1::ScoreRequest request;
  request.set_model("text");
  request.mutable_sequence()->set_raw(text);
  const auto reader = server.NewStub()->Score(&context, request);
  double bits = NAN;
  v1::ScoreResponse message;
  while (reader->Read(&message)) {
    if (message.has_bits_per_token()) bits = message.bits_per_token();
  }
  EXPECT_TRUE(reader->Finish().ok());
  return bits;
}

TEST(BundledModelsTest, NarrowWeightsCostFewBitsPerByte) {
  const std::string text = English();
  const double exact = BitsPerByte("float32", text);
  EXPECT_LT(exact, 8);
  EXPECT_NEAR(BitsPerByte("bfloat16", text) / exact, 1, 0.005);
  EXPECT_NEAR(BitsPerByte("int8", text) / exact, 1, 0.01);
}

}  // namespace
}  // namespace strided
