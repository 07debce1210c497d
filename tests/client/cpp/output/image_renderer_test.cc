#include "client/cpp/output/image_renderer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/media/png.h"
#include "tests/client/cpp/messages.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Of a grey model of 2 x 2 pixels.
v1::Started Started(uint32_t samples = 1) {
  v1::Started started = StartedMessage(samples).started();
  started.set_modality(v1::MODALITY_IMAGE);
  started.mutable_image()->set_height(2);
  started.mutable_image()->set_width(2);
  started.mutable_image()->set_channels(1);
  return started;
}

// A renderer that writes into strings.
struct Written {
  std::vector<std::string> files;
  std::string sheet;

  std::unique_ptr<ImageRenderer> Renderer(const v1::Started& started, const std::string& prompt) {
    files.resize(started.resolved().samples());
    ImageOutput output;
    for (std::string& file : files) output.files.push_back(std::make_unique<StringSink>(&file));
    output.sheet = std::make_unique<StringSink>(&sheet);
    auto renderer = ImageRenderer::Create(started, prompt, std::move(output));
    EXPECT_OK(renderer);
    return *std::move(renderer);
  }
};

std::vector<uint8_t> SamplesOf(const std::string& png) {
  const auto image = DecodePng(png, 1);
  EXPECT_OK(image);
  return image.ok() ? image->samples : std::vector<uint8_t>();
}

TEST(ImageRendererTest, AnImageIsWrittenWhenItsSampleEnds) {
  Written written;
  const auto renderer = written.Renderer(Started(), "");
  EXPECT_OK(renderer->Render(DeltaMessage(0, 0, "\1\2")));
  EXPECT_OK(renderer->Render(DeltaMessage(0, 2, "\3\4")));
  EXPECT_THAT(written.files[0], IsEmpty());
  EXPECT_OK(renderer->Render(FinishedMessage(0, 4)));
  EXPECT_THAT(SamplesOf(written.files[0]), ElementsAre(1, 2, 3, 4));
  EXPECT_OK(renderer->End());
  EXPECT_THAT(SamplesOf(written.files[0]), ElementsAre(1, 2, 3, 4));
}

TEST(ImageRendererTest, ThePromptIsTheTopOfTheImage) {
  Written written;
  const auto renderer = written.Renderer(Started(), "\x9\x8");
  EXPECT_OK(renderer->Render(DeltaMessage(0, 2, "\3\4")));
  EXPECT_OK(renderer->End());
  EXPECT_THAT(SamplesOf(written.files[0]), ElementsAre(9, 8, 3, 4));
}

TEST(ImageRendererTest, AStreamThatBreaksOffLeavesTheRestBlack) {
  Written written;
  const auto renderer = written.Renderer(Started(2), "");
  EXPECT_OK(renderer->Render(DeltaMessage(0, 0, "\5")));
  EXPECT_OK(renderer->End());
  EXPECT_THAT(SamplesOf(written.files[0]), ElementsAre(5, 0, 0, 0));
  EXPECT_THAT(written.files[1], IsEmpty());  // nothing of it came
}

TEST(ImageRendererTest, TheSheetHoldsEverySample) {
  Written written;
  const auto renderer = written.Renderer(Started(2), "");
  EXPECT_OK(renderer->Render(DeltaMessage(0, 0, "\1\1\1\1")));
  EXPECT_OK(renderer->Render(DeltaMessage(1, 0, "\2\2\2\2")));
  EXPECT_OK(renderer->End());
  EXPECT_THAT(SamplesOf(written.sheet), ElementsAre(1, 1, 0, 0, 2, 2,  //
                                                    1, 1, 0, 0, 2, 2));
}

TEST(ImageRendererTest, PixelsOutsideTheImageAreRefused) {
  Written written;
  const auto renderer = written.Renderer(Started(), "");
  EXPECT_THAT(renderer->Render(DeltaMessage(0, 3, "\1\2")),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("position 5 of an image of 4")));
  EXPECT_THAT(renderer->Render(DeltaMessage(0, ~uint64_t{0}, "\1")),
              StatusIs(absl::StatusCode::kInternal));
}

TEST(ImageRendererTest, IdsCannotBeDrawn) {
  Written written;
  const auto renderer = written.Renderer(Started(), "");
  v1::GenerateResponse message = DeltaMessage(0, 0, "");
  message.mutable_delta()->mutable_ids()->add_ids(300);
  EXPECT_THAT(renderer->Render(message), StatusIs(absl::StatusCode::kUnimplemented));
}

TEST(ImageRendererTest, ALayoutThatIsNoImageIsRefused) {
  for (const auto& [height, width, channels] :
       {std::tuple(0U, 2U, 1U), {2U, 2U, 5U}, {1U << 31, 1U << 31, 3U}}) {
    v1::Started started = Started();
    started.mutable_image()->set_height(height);
    started.mutable_image()->set_width(width);
    started.mutable_image()->set_channels(channels);
    EXPECT_THAT(ImageRenderer::Create(started, "", {}), StatusIs(absl::StatusCode::kInternal))
        << width << " x " << height << " x " << channels;
  }
}

// Draws with a black, a white and a red cluster.
std::unique_ptr<ImageRenderer> ClusterRenderer(const v1::Started& started,
                                               const std::string& prompt, std::string* file) {
  absl::StatusOr<Palette> palette =
      Palette::Parse(R"({"clusters": [[-1, -1, -1], [1, 1, 1], [1, -1, -1]]})");
  EXPECT_OK(palette);
  ImageOutput output;
  output.files.push_back(std::make_unique<StringSink>(file));
  output.palette = *std::move(palette);
  auto renderer = ImageRenderer::Create(started, prompt, std::move(output));
  EXPECT_OK(renderer);
  return *std::move(renderer);
}

v1::GenerateResponse IdsMessage(uint64_t first_position, std::vector<uint32_t> ids) {
  v1::GenerateResponse event;
  event.mutable_delta()->set_first_position(first_position);
  event.mutable_delta()->mutable_ids()->mutable_ids()->Assign(ids.begin(), ids.end());
  return event;
}

TEST(ImageRendererTest, TokensOfAPaletteAreDrawnInItsColours) {
  std::string file;
  const auto renderer = ClusterRenderer(Started(), std::string(1, '\0'), &file);
  EXPECT_OK(renderer->Render(IdsMessage(1, {2, 1})));
  EXPECT_OK(renderer->Render(DeltaMessage(0, 3, "\2")));
  EXPECT_OK(renderer->End());
  ASSERT_OK_AND_ASSIGN(const Image image, DecodePng(file, 3));
  EXPECT_THAT(image.samples, ElementsAre(0, 0, 0, 255, 0, 0, 255, 255, 255, 255, 0, 0));
}

TEST(ImageRendererTest, ATokenWithoutAColourOrBeyondTheImageIsRefused) {
  std::string file;
  const auto renderer = ClusterRenderer(Started(), "", &file);
  EXPECT_THAT(renderer->Render(IdsMessage(0, {3})),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("token 3 has no colour")));
  EXPECT_THAT(renderer->Render(IdsMessage(3, {1, 1})),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("position 5 of an image of 4")));
}

}  // namespace
}  // namespace strided::client
