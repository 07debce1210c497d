#include "client/cpp/media/wav.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A WAV file of one "fmt " chunk with these fields and one "data" chunk.
std::string WavFile(uint8_t format, uint8_t channels, uint8_t bits, const std::string& data) {
  const auto size = static_cast<char>(data.size());
  std::string file = std::string("RIFF\0\0\0\0WAVEfmt \x10\0\0\0", 20);
  file += {static_cast<char>(format), 0, static_cast<char>(channels), 0};
  file += std::string("\x40\x1f\0\0\0\0\0\0\0\0", 10);  // 8000 Hz
  file += {static_cast<char>(bits), 0};
  return file + "data" + std::string{size, 0, 0, 0} + data;
}

TEST(WavTest, EverySampleComesBack) {
  Sound sound = {16000, {}};
  for (int sample = -32768; sample <= 32767; sample += 5) {
    sound.samples.push_back(static_cast<int16_t>(sample));
  }
  ASSERT_OK_AND_ASSIGN(const std::string bytes, EncodeWav(sound));
  EXPECT_EQ(bytes.size(), 44 + 2 * sound.samples.size());
  ASSERT_OK_AND_ASSIGN(const Sound read, DecodeWav(bytes));
  EXPECT_EQ(read.sample_rate_hz, 16000U);
  EXPECT_EQ(read.samples, sound.samples);
}

TEST(WavTest, EightBitAndMulawBecomeSixteenBit) {
  ASSERT_OK_AND_ASSIGN(const Sound linear,
                       DecodeWav(WavFile(1, 1, 8, std::string("\x80\xff\0", 3))));
  EXPECT_THAT(linear.samples, ElementsAre(0, 127 * 256, -32768));
  ASSERT_OK_AND_ASSIGN(const Sound mulaw,
                       DecodeWav(WavFile(7, 1, 8, std::string("\xff\x80\0", 3))));
  EXPECT_THAT(mulaw.samples, ElementsAre(0, 32124, -32124));
  EXPECT_EQ(mulaw.sample_rate_hz, 8000U);
}

TEST(WavTest, ChunksThatAreNotKnownAreSkipped) {
  std::string file = WavFile(1, 1, 16, "abcd");
  file.insert(12, std::string("LIST\3\0\0\0xyz\0", 12));  // an odd length is padded
  ASSERT_OK_AND_ASSIGN(const Sound sound, DecodeWav(file));
  EXPECT_THAT(sound.samples, ElementsAre(0x6261, 0x6463));
}

TEST(WavTest, ACutDataChunkGivesWhatIsThere) {
  const std::string file = WavFile(1, 1, 16, "abcdef");
  ASSERT_OK_AND_ASSIGN(const Sound sound, DecodeWav(file.substr(0, file.size() - 3)));
  EXPECT_THAT(sound.samples, ElementsAre(0x6261));
}

TEST(WavTest, WhatCannotBeReadIsNamed) {
  EXPECT_THAT(DecodeWav(WavFile(1, 2, 16, "abcd")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has 2 channels")));
  EXPECT_THAT(DecodeWav(WavFile(3, 1, 32, "abcd")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("encoding 3 with 32 bits")));
  EXPECT_THAT(DecodeWav("RIFF"), StatusIs(absl::StatusCode::kInvalidArgument, "not a WAV file"));
  EXPECT_THAT(DecodeWav(WavFile(1, 1, 16, "ab").substr(0, 30)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no format or no data")));
}

TEST(WavTest, NoLengthInAFileReachesBeyondIt) {
  const std::string file = WavFile(1, 1, 16, "abcd");
  for (size_t byte = 16; byte < 20; ++byte) {
    std::string wrong = file;
    wrong[byte] = '\xff';
    EXPECT_THAT(DecodeWav(wrong), StatusIs(absl::StatusCode::kInvalidArgument)) << byte;
  }
}

}  // namespace
}  // namespace strided::client
