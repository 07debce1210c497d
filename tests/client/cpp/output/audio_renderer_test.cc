#include "client/cpp/output/audio_renderer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/media/audio_codes.h"
#include "client/cpp/media/wav.h"
#include "tests/client/cpp/messages.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

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

// Takes what comes and does not let go back.
class PipeSink final : public ByteSink {
 public:
  explicit PipeSink(std::string* bytes) : bytes_(bytes) {}
  absl::Status Write(absl::string_view bytes) override { return bytes_.Write(bytes); }
  absl::StatusOr<bool> Overwrite(uint64_t, absl::string_view) override { return false; }

 private:
  StringSink bytes_;
};

TEST(AudioRendererTest, SamplesAreWrittenAsTheyComeAndTheHeaderIsPutRightAtTheEnd) {
  std::string file;
  const auto renderer = RendererInto(&file, v1::AUDIO_ENCODING_MULAW);
  EXPECT_OK(renderer->Render(DeltaMessage(0, 0, "\x80\x81")));
  const size_t begun = file.size();
  EXPECT_THAT(SoundOf(file).samples, SizeIs(0)) << "what the header says so far";
  EXPECT_OK(renderer->Render(DeltaMessage(0, 2, "\x82")));
  EXPECT_EQ(file.size(), begun + 2);
  EXPECT_OK(renderer->End());
  EXPECT_THAT(SoundOf(file).samples, SizeIs(3));
}

TEST(AudioRendererTest, APipeIsToldTheLengthThatWasAskedFor) {
  v1::Started started = Started(v1::AUDIO_ENCODING_MULAW);
  started.set_prompt_tokens(5);
  started.mutable_resolved()->set_max_new_tokens(3);
  for (const uint64_t begin : {5U, 0U}) {  // without the prompt, and with its echo
    std::string bytes;
    std::vector<std::unique_ptr<ByteSink>> files;
    files.push_back(std::make_unique<PipeSink>(&bytes));
    ASSERT_OK_AND_ASSIGN(const auto renderer, AudioRenderer::Create(started, std::move(files)));
    const std::string codes(8 - begin, '\x80');
    EXPECT_OK(renderer->Render(DeltaMessage(0, begin, codes)));
    EXPECT_OK(renderer->Render(FinishedMessage(0, 3)));
    EXPECT_EQ(bytes, *EncodeWav({12000, std::vector<int16_t>(8 - begin, SampleOfMulaw(128))}));
  }
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
