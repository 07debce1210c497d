#include "client/cpp/command/media_codes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/media/audio_codes.h"
#include "client/cpp/media/png.h"
#include "client/cpp/media/wav.h"
#include "tests/client/cpp/scripted_server.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// A PNG file of grey pixels 1, 2, 3, ... and those pixels.
struct GreyPng {
  GreyPng(int height, int width) {
    Image image = BlackImage(height, width, 1);
    uint8_t value = 0;
    for (uint8_t& sample : image.samples) sample = ++value;
    pixels.assign(image.samples.begin(), image.samples.end());
    file = EncodePng(image).value_or("");
  }
  std::string file;
  std::string pixels;
};

TEST(MediaCodesTest, ABytesFileIsItsOwnCodes) {
  EXPECT_THAT(CodesOf("abc", TextModel("text", 9)), IsOkAndHolds("abc"));
  EXPECT_THAT(CodesOf("abc", ImageModel(1, 1, 3)), IsOkAndHolds("abc"));
}

TEST(MediaCodesTest, ATextModelReadsAPngAsBytes) {
  const GreyPng png(2, 2);
  EXPECT_THAT(CodesOf(png.file, TextModel("text", 9)), IsOkAndHolds(png.file));
}

TEST(MediaCodesTest, APngBecomesItsPixels) {
  const GreyPng png(4, 3);
  EXPECT_THAT(CodesOf(png.file, ImageModel(4, 3, 1)), IsOkAndHolds(png.pixels));
  EXPECT_THAT(CodesOf(png.file, ImageModel(4, 5, 1)),
              StatusIs(kInvalid, "the image is 3 x 4; the model 'image' makes images of 5 x 4"));
  EXPECT_THAT(CodesOf(png.file, ImageModel(3, 3, 1)), StatusIs(kInvalid, HasSubstr("3 x 4")));
  EXPECT_THAT(CodesOf(png.file, AudioModel(8000)),
              StatusIs(kInvalid, "a PNG image is no input for the model 'audio'"));
}

TEST(MediaCodesTest, APromptIsTheUpperHalfUnlessRowsAreGiven) {
  const GreyPng png(4, 3);
  const v1::Model model = ImageModel(4, 3, 1);
  EXPECT_THAT(PromptOf(png.file, std::nullopt, model), IsOkAndHolds(png.pixels.substr(0, 6)));
  EXPECT_THAT(PromptOf(png.file, 3, model), IsOkAndHolds(png.pixels.substr(0, 9)));
  EXPECT_THAT(PromptOf(png.file, 0, model), IsOkAndHolds(""));
  EXPECT_THAT(PromptOf(png.file, 4, model),
              StatusIs(kInvalid, "--prompt-rows: 4 rows leave nothing to make of 4"));
  EXPECT_THAT(PromptOf(png.file, 5, model),
              StatusIs(kInvalid, "--prompt-rows: 5 rows; the file has 4"));
}

TEST(MediaCodesTest, AFileOfATopPartIsGivenWhole) {
  const GreyPng png(2, 3);
  EXPECT_THAT(PromptOf(png.file, std::nullopt, ImageModel(6, 3, 1)), IsOkAndHolds(png.pixels));
}

TEST(MediaCodesTest, RawPixelsAreCutInRowsToo) {
  EXPECT_THAT(PromptOf("aabbcc", 2, ImageModel(4, 2, 1)), IsOkAndHolds("aabb"));
  EXPECT_THAT(PromptOf("aabbc", std::nullopt, ImageModel(4, 2, 1)), IsOkAndHolds("aabbc"));
  EXPECT_THAT(PromptOf("abc", 1, TextModel("text", 9)),
              StatusIs(kInvalid, "--prompt-rows is for image models; 'text' is none"));
}

TEST(MediaCodesTest, AWavBecomesTheModelsCodes) {
  const std::string wav = EncodeWav({8000, {-32768, 0, 16384}}).value_or("");
  const std::string mulaw = {static_cast<char>(CodeOfMulaw(-32768)),
                             static_cast<char>(CodeOfMulaw(0)),
                             static_cast<char>(CodeOfMulaw(16384))};
  v1::Model model = AudioModel(8000);
  EXPECT_THAT(CodesOf(wav, model), IsOkAndHolds(mulaw));
  model.mutable_audio()->set_encoding(v1::AUDIO_ENCODING_LINEAR8);
  EXPECT_THAT(CodesOf(wav, model), IsOkAndHolds(std::string("\0\x80\xc0", 3)));
  EXPECT_THAT(CodesOf(wav, AudioModel(16000)),
              StatusIs(kInvalid,
                       "the WAV file has 8000 samples per second; the model 'audio' has "
                       "16000: resample it first"));
}

TEST(MediaCodesTest, ADamagedPngIsAnErrorOfUsage) {
  const std::string cut = GreyPng(4, 3).file.substr(0, 40);
  EXPECT_THAT(CodesOf(cut, ImageModel(4, 3, 1)), StatusIs(kInvalid, HasSubstr("PNG")));
}

}  // namespace
}  // namespace strided::client
