#include "server/service/audio_codec.h"

#include <gtest/gtest.h>

#include <cmath>

namespace strided {
namespace {

constexpr AudioEncoding kEncodings[] = {AudioEncoding::kMulaw, AudioEncoding::kLinear8};

TEST(AudioCodecTest, EveryCodeComesBackFromItsSample) {
  for (const AudioEncoding encoding : kEncodings) {
    for (int code = 0; code < 256; ++code) {
      EXPECT_EQ(CodeOfSample(encoding, SampleOfCode(encoding, code)), code);
    }
  }
}

TEST(AudioCodecTest, SamplesRiseWithTheirCodes) {
  for (const AudioEncoding encoding : kEncodings) {
    for (int code = 1; code < 256; ++code) {
      EXPECT_GT(SampleOfCode(encoding, code), SampleOfCode(encoding, code - 1)) << code;
    }
  }
}

TEST(AudioCodecTest, AMulawSampleIsEncodedAsItsCode) {
  for (int code = 0; code < 256; ++code) {
    const double x = SampleOfCode(AudioEncoding::kMulaw, code) / 32767.0;
    const double f = std::copysign(std::log1p(255 * std::abs(x)) / std::log(256.0), x);
    EXPECT_EQ(std::floor((f + 1) / 2 * 255 + 0.5), code);
  }
}

TEST(AudioCodecTest, TheEndsOfTheScaleAreTheLoudest) {
  EXPECT_EQ(SampleOfCode(AudioEncoding::kMulaw, 0), -32767);
  EXPECT_EQ(SampleOfCode(AudioEncoding::kMulaw, 255), 32767);
  EXPECT_EQ(SampleOfCode(AudioEncoding::kLinear8, 0), -32768);
  EXPECT_EQ(SampleOfCode(AudioEncoding::kLinear8, 128), 0);
  EXPECT_EQ(SampleOfCode(AudioEncoding::kLinear8, 255), 32512);
}

TEST(AudioCodecTest, ASampleBetweenTwoCodesHasNone) {
  EXPECT_EQ(CodeOfSample(AudioEncoding::kMulaw, 4), std::nullopt);
  EXPECT_EQ(CodeOfSample(AudioEncoding::kLinear8, 1), std::nullopt);
  EXPECT_EQ(CodeOfSample(AudioEncoding::kLinear8, 32767), std::nullopt);
}

}  // namespace
}  // namespace strided
