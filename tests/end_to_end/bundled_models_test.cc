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

// Of a sequence under a bundled model with weights in this format; NaN where something fails.
double BitsPerToken(const std::string& weight_format, const std::string& model,
                    const std::string& sequence) {
  RunningServer server({kBundled, absl::StrCat("--weight_format=", weight_format)});
  if (!server.ready()) return NAN;
  grpc::ClientContext context;
  v1::ScoreRequest request;
  request.set_model(model);
  request.mutable_sequence()->set_raw(sequence);
  const auto reader = server.NewStub()->Score(&context, request);
  double bits = NAN;
  v1::ScoreResponse message;
  while (reader->Read(&message)) {
    if (message.has_bits_per_token()) bits = message.bits_per_token();
  }
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return bits;
}

// int8_share: of the bits that float32 weights take, what int8 ones may cost.
void ExpectNarrowWeightsCostFewBits(const std::string& model, const std::string& data,
                                    double int8_share) {
  const double exact = BitsPerToken("float32", model, data);
  EXPECT_LT(exact, 8);
  EXPECT_NEAR(BitsPerToken("bfloat16", model, data) / exact, 1, 0.005);
  EXPECT_NEAR(BitsPerToken("int8", model, data) / exact, 1, int8_share);
}

TEST(BundledModelsTest, NarrowWeightsCostFewBitsPerByte) {
  ExpectNarrowWeightsCostFewBits("text", English(), 0.01);
}

// What the audio model draws with weights as they are chosen for it.
std::string Sound() {
  constexpr uint32_t kSamples = 4096;
  RunningServer server({kBundled});
  if (!server.ready()) return "";
  v1::GenerateRequest request = RequestFor(kSamples);
  request.set_model("audio");
  return Generate(*server.NewStub(), request).raw;
}

TEST(BundledModelsTest, NarrowWeightsCostFewBitsPerSample) {
  ExpectNarrowWeightsCostFewBits("audio", Sound(), 0.015);
}

}  // namespace
}  // namespace strided
