#include "client/cpp/output/numbers.h"

#include <gtest/gtest.h>

namespace strided::client {
namespace {

TEST(NumbersTest, CommasStandEveryThreeDigits) {
  EXPECT_EQ(WithCommas(0), "0");
  EXPECT_EQ(WithCommas(999), "999");
  EXPECT_EQ(WithCommas(1000), "1,000");
  EXPECT_EQ(WithCommas(18446744073709551615U), "18,446,744,073,709,551,615");
}

TEST(NumbersTest, ShortNumbersHaveThreeDigits) {
  EXPECT_EQ(ShortNumber(0.01234), "0.0123");
  EXPECT_EQ(ShortNumber(1.234), "1.23");
  EXPECT_EQ(ShortNumber(12.34), "12.3");
  EXPECT_EQ(ShortNumber(99.96), "100");
  EXPECT_EQ(ShortNumber(1234.5), "1,235");
  EXPECT_EQ(ShortNumber(-1234.4), "-1,234");
}

TEST(NumbersTest, BytesHaveBinaryUnits) {
  EXPECT_EQ(BinaryBytes(0), "0 B");
  EXPECT_EQ(BinaryBytes(1023), "1023 B");
  EXPECT_EQ(BinaryBytes(2304), "2.25 KiB");
  EXPECT_EQ(BinaryBytes(uint64_t{288} << 20), "288 MiB");
}

TEST(NumbersTest, TimesAreRoundedUpToTheSecond) {
  EXPECT_EQ(ClockTime(absl::Milliseconds(6100)), "0:07");
  EXPECT_EQ(ClockTime(absl::Seconds(754)), "12:34");
  EXPECT_EQ(ClockTime(absl::Seconds(3723)), "1:02:03");
  EXPECT_EQ(ClockTime(absl::InfiniteDuration()), "-");
}

}  // namespace
}  // namespace strided::client
