#include "client/cpp/media/png.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;

// Every sample differs from its neighbours, and all 256 values occur.
Image Pattern(int height, int width, int channels) {
  Image image = BlackImage(height, width, channels);
  for (size_t i = 0; i < image.samples.size(); ++i) image.samples[i] = static_cast<uint8_t>(i * 7);
  return image;
}

TEST(PngTest, EverySampleComesBackExactly) {
  for (const int channels : {1, 3}) {
    const Image image = Pattern(17, 23, channels);
    ASSERT_OK_AND_ASSIGN(const std::string bytes, EncodePng(image));
    EXPECT_TRUE(IsPng(bytes));
    ASSERT_OK_AND_ASSIGN(const Image read, DecodePng(bytes, channels));
    EXPECT_EQ(read.height, 17);
    EXPECT_EQ(read.width, 23);
    EXPECT_EQ(read.samples, image.samples) << channels << " channels";
  }
}

TEST(PngTest, AlphaIsKeptWhereThereIsAChannelForIt) {
  Image image = BlackImage(1, 2, 4);
  image.samples = {200, 100, 50, 255, 1, 2, 3, 255};
  ASSERT_OK_AND_ASSIGN(const std::string bytes, EncodePng(image));
  ASSERT_OK_AND_ASSIGN(const Image read, DecodePng(bytes, 4));
  EXPECT_EQ(read.samples, image.samples);
}

TEST(PngTest, TransparencyLiesOnWhite) {
  Image image = BlackImage(1, 1, 4);  // black, fully transparent
  ASSERT_OK_AND_ASSIGN(const std::string bytes, EncodePng(image));
  ASSERT_OK_AND_ASSIGN(const Image read, DecodePng(bytes, 3));
  EXPECT_EQ(read.samples, (std::vector<uint8_t>{255, 255, 255}));
}

TEST(PngTest, GreyBecomesEqualColours) {
  ASSERT_OK_AND_ASSIGN(const std::string bytes, EncodePng(Pattern(4, 4, 1)));
  ASSERT_OK_AND_ASSIGN(const Image read, DecodePng(bytes, 3));
  EXPECT_EQ(read.samples[3], 7);
  EXPECT_EQ(read.samples[4], 7);
  EXPECT_EQ(read.samples[5], 7);
}

TEST(PngTest, EveryCutFileIsRefused) {
  ASSERT_OK_AND_ASSIGN(const std::string bytes, EncodePng(Pattern(8, 8, 3)));
  // The last 12 bytes are the end marker, which holds nothing.
  for (size_t length = 0; length + 12 < bytes.size(); ++length) {
    EXPECT_THAT(DecodePng(bytes.substr(0, length), 3), StatusIs(absl::StatusCode::kInvalidArgument))
        << length << " of " << bytes.size() << " bytes";
  }
}

TEST(PngTest, AnImageThatDoesNotFitItsSizesIsRefused) {
  Image image = Pattern(4, 4, 3);
  image.samples.pop_back();
  EXPECT_THAT(EncodePng(image),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cannot have 47 samples")));
  EXPECT_THAT(EncodePng(BlackImage(1, 1, 5)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 to 4 channels, not 5")));
}

}  // namespace
}  // namespace strided::client
