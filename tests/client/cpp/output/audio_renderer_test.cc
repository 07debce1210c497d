#include "client/cpp/output/audio_renderer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/media/audio_codes.h"
#include "tests/client/cpp/messages.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::Started Started(v1::AudioEncoding encoding) {
  v1::Started started = StartedMessage().started();
  started.mutable_audio()->set_encoding(encoding);
  started.mutable_audio()->set_sample_rate_hz(12000);
  return started;
}

std::unique_ptr<AudioRenderer> RendererInto(std::string* file, v1::AudioEncoding encoding) {
  std::vector<std::unique_ptr<ByteSink>> files;
  files.push_back(std::make_unique<StringSink>(file));
  auto renderer = AudioRenderer::Create(Started(encoding), std::move(files));
  EXPECT_OK(renderer);
  return *std::move(renderer);
}

Sound SoundOf(const std::string& wav) {
  const auto sound = DecodeWav(wav);
  EXPECT_OK(sound);
  return sound.ok() ? *sound : Sound();
}

TEST(AudioRendererTest, MulawCodesAreDecoded) {
  std::string file;
  const auto renderer = RendererInto(&file, v1::AUDIO_ENCODING_MULAW);
  EXPECT_OK(renderer->Render(DeltaMessage(0, 0, std::string("\0\x80", 2))));
  EXPECT_OK(renderer->Render(DeltaMessage(0, 2, "\xff")));
  EXPECT_THAT(file, IsEmpty());
  EXPECT_OK(renderer->Render(FinishedMessage(0, 3)));
  EXPECT_EQ(SoundOf(file).sample_rate_hz, 12000U);
  EXPECT_THAT(SoundOf(file).samples, ElementsAre(-32767, SampleOfMulaw(128), 32767));
}

TEST(AudioRendererTest, LinearCodesAndSixteenBitSamplesToo) {
  std::string linear;
  const auto linear_renderer = RendererInto(&linear, v1::AUDIO_ENCODING_LINEAR8);
  EXPECT_OK(linear_renderer->Render(DeltaMessage(0, 0, "\x80\x81")));
  EXPECT_OK(linear_renderer->End());
  EXPECT_THAT(SoundOf(linear).samples, ElementsAre(0, 256));

  std::string pcm;
  const auto pcm_renderer = RendererInto(&pcm, v1::AUDIO_ENCODING_PCM16);
  EXPECT_OK(pcm_renderer->Render(DeltaMessage(0, 0, "\x34\x12\xff\xff")));
  EXPECT_OK(pcm_renderer->End());
  EXPECT_THAT(SoundOf(pcm).samples, ElementsAre(0x1234, -1));
}

TEST(AudioRendererTest, NothingWrittenWhereNothingCame) {
  std::string file;
  const auto renderer = RendererInto(&file, v1::AUDIO_ENCODING_MULAW);
  EXPECT_OK(renderer->End());
  EXPECT_THAT(file, IsEmpty());
}

TEST(AudioRendererTest, AnUnknownEncodingIsRefused) {
  EXPECT_THAT(AudioRenderer::Create(Started(static_cast<v1::AudioEncoding>(9)), {}),
              StatusIs(absl::StatusCode::kUnimplemented));
}

}  // namespace
}  // namespace strided::client
