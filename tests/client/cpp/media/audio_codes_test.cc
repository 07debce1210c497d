#include "client/cpp/media/audio_codes.h"

#include <gtest/gtest.h>

namespace strided::client {
namespace {

TEST(AudioCodesTest, EveryCodeComesBackFromItsSample) {
  for (int code = 0; code < 256; ++code) {
    const auto byte = static_cast<uint8_t>(code);
    EXPECT_EQ(CodeOfMulaw(SampleOfMulaw(byte)), code);
    EXPECT_EQ(CodeOfLinear8(SampleOfLinear8(byte)), code);
  }
}

TEST(AudioCodesTest, CodesRiseWithTheSample) {
  for (int sample = -32768; sample < 32767; ++sample) {
    const auto low = static_cast<int16_t>(sample);
    const auto high = static_cast<int16_t>(sample + 1);
    ASSERT_LE(CodeOfMulaw(low), CodeOfMulaw(high)) << sample;
    ASSERT_LE(CodeOfLinear8(low), CodeOfLinear8(high)) << sample;
  }
}

TEST(AudioCodesTest, MulawIsTheFormulaAtItsLandmarks) {
  EXPECT_EQ(CodeOfMulaw(-32768), 0);
  EXPECT_EQ(CodeOfMulaw(0), 128);  // floor(127.5 + 0.5)
  EXPECT_EQ(CodeOfMulaw(32767), 255);
  // F(0.5) = ln(128.5) / ln(256) = 0.87570; floor(1.87570 / 2 * 255 + 0.5) = 239.
  EXPECT_EQ(CodeOfMulaw(16384), 239);
}

TEST(AudioCodesTest, G711IsTheTableOfTheStandard) {
  EXPECT_EQ(SampleOfG711(0x00), -32124);
  EXPECT_EQ(SampleOfG711(0x80), 32124);
  EXPECT_EQ(SampleOfG711(0xff), 0);
  EXPECT_EQ(SampleOfG711(0x7f), 0);
  EXPECT_EQ(SampleOfG711(0xef), 132 - 0);
  EXPECT_EQ(SampleOfG711(0xfe), 8);
}

}  // namespace
}  // namespace strided::client
