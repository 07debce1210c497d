// Generations beyond the context, by the client library from the real server.

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "client/cpp/client.h"
#include "client/cpp/media/audio_codes.h"
#include "client/cpp/windowed_generation.h"
#include "tests/end_to_end/running_server.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using client::Client;
using client::WindowedGeneration;
using client::WindowOptions;

constexpr uint64_t kContext = 48;

constexpr char kText[] = R"({"vocab_size": 256, "context_length": 48, "position_axes": [48]})";
constexpr char kAudio[] = R"({"vocab_size": 256, "context_length": 48, "position_axes": [48],
    "modality": "audio", "audio": {"sample_rate_hz": 12000, "encoding": "mulaw"}})";

TemporaryDirectory Models() {
  TemporaryDirectory models;
  for (const auto& [name, overrides] : {std::pair("text", kText), std::pair("audio", kAudio)}) {
    const std::string folder = std::string(name) + "/1/";
    models.Write(folder + "config.json", SmallConfigText(overrides));
    models.Write(folder + "model.safetensors",
                 SafetensorsFile(RandomTensors(SmallConfig(overrides), /*seed=*/1)));
  }
  return models;
}

class LongGenerationTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server_.ready()); }

  // Every sample's bytes.
  std::map<uint32_t, std::string> Generate(const std::string& model_name,
                                           v1::GenerateRequest request,
                                           const WindowOptions& windows) {
    std::map<uint32_t, std::string> samples;
    const auto client = Client::Connect({.address = server_.address()});
    EXPECT_OK(client);
    const auto model = client->GetModel(model_name);
    EXPECT_OK(model);
    request.set_model(model_name);
    const auto generation = WindowedGeneration::Start(*client, *model, request, windows);
    EXPECT_OK(generation);
    while (true) {
      const auto event = (*generation)->Next();
      EXPECT_OK(event);
      if (!event.ok() || !event->has_value()) return samples;
      if ((*event)->has_delta()) {
        samples[(*event)->delta().sample_index()] += (*event)->delta().raw();
      }
    }
  }

  TemporaryDirectory models_ = Models();
  RunningServer server_{{"--model_repository=" + models_.path()}};
};

v1::GenerateRequest Request(uint64_t seed, uint32_t samples) {
  v1::GenerateRequest request;
  request.mutable_prompt()->set_raw("Once");
  request.mutable_sampling()->set_seed(seed);
  request.mutable_sampling()->set_samples(samples);
  return request;
}

TEST_F(LongGenerationTest, TheSameSeedGivesTheSameBytesOverAllWindows) {
  const auto first = Generate("text", Request(7, 2), {.length = 500, .hop = 10});
  EXPECT_EQ(first.at(0).size(), 500U);
  EXPECT_EQ(first.at(1).size(), 500U);
  EXPECT_NE(first.at(0), first.at(1));
  EXPECT_EQ(Generate("text", Request(7, 2), {.length = 500, .hop = 10}), first);
  EXPECT_EQ(Generate("text", Request(7, 1), {.length = 500, .hop = 10}).at(0), first.at(0));
  EXPECT_NE(Generate("text", Request(8, 2), {.length = 500, .hop = 10}), first);
}

TEST_F(LongGenerationTest, AnyClientCanMakeAWindowByAPlainRequest) {
  const std::string text = Generate("text", Request(7, 1), {.length = 200}).at(0);
  const auto stub = server_.NewStub();
  v1::GenerateRequest request = Request(7, 1);
  request.set_model("text");
  EXPECT_EQ(strided::Generate(*stub, request).raw, text.substr(0, kContext - 4));
  // The third window begins with half a context that ends 24 tokens after the first one's end.
  const size_t begin = kContext - 4 + kContext / 2;
  request.mutable_prompt()->set_raw(text.substr(begin - kContext / 2, kContext / 2));
  request.mutable_sampling()->set_seed(client::WindowSeed(7, 2));
  EXPECT_EQ(strided::Generate(*stub, request).raw, text.substr(begin, kContext / 2));
}

TEST_F(LongGenerationTest, SamplesOf16BitsAreTheSameSound) {
  v1::GenerateRequest request;
  request.mutable_sampling()->set_seed(3);
  const std::string codes = Generate("audio", request, {.length = 300, .hop = 20}).at(0);
  request.mutable_output()->set_audio_encoding(v1::AUDIO_ENCODING_PCM16);
  const std::string pcm = Generate("audio", request, {.length = 300, .hop = 20}).at(0);
  ASSERT_EQ(pcm.size(), 2 * codes.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    const auto sample =
        static_cast<uint16_t>(client::SampleOfMulaw(static_cast<uint8_t>(codes[i])));
    ASSERT_EQ(static_cast<uint8_t>(pcm[2 * i]), sample & 0xff) << i;
    ASSERT_EQ(static_cast<uint8_t>(pcm[2 * i + 1]), sample >> 8) << i;
  }
}

}  // namespace
}  // namespace strided
