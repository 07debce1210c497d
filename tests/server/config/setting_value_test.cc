#include "server/config/setting_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr ValueRange<int64_t> kAnySize = {0, INT64_MAX};
const ValueRange<absl::Duration> kMinute = {absl::Seconds(1), absl::Minutes(1)};

TEST(ParseCountTest, BothEndsOfTheRangeAreIncluded) {
  EXPECT_THAT(ParseCount("1", {1, 64}), IsOkAndHolds(1));
  EXPECT_THAT(ParseCount("64", {1, 64}), IsOkAndHolds(64));
}

TEST(ParseCountTest, EverythingElseIsAnsweredWithTheRange) {
  for (const char* text :
       {"0", "65", "-1", "+1", " 1", "1 ", "1.0", "0x1", "", "many", "99999999999999999999"}) {
    EXPECT_THAT(ParseCount(text, {1, 64}), StatusIs(kInvalid, "1 to 64")) << text;
  }
}

TEST(ParseDurationTest, TimesHaveUnits) {
  EXPECT_THAT(ParseDuration("1500ms", kMinute), IsOkAndHolds(absl::Milliseconds(1500)));
  EXPECT_THAT(ParseDuration("1m", kMinute), IsOkAndHolds(absl::Minutes(1)));
}

TEST(ParseDurationTest, EverythingElseIsAnsweredWithTheRange) {
  for (const char* text : {"5", "999ms", "61s", "-5s", "inf", "", "5 s", "s"}) {
    EXPECT_THAT(ParseDuration(text, kMinute),
                StatusIs(kInvalid, "a time with its unit, from 1s to 1m"))
        << text;
  }
}

TEST(ParseBytesTest, SuffixesAreBinary) {
  EXPECT_THAT(ParseBytes("4096", kAnySize), IsOkAndHolds(4096));
  EXPECT_THAT(ParseBytes("3KiB", kAnySize), IsOkAndHolds(3072));
  EXPECT_THAT(ParseBytes("16MiB", kAnySize), IsOkAndHolds(int64_t{16} << 20));
  EXPECT_THAT(ParseBytes("2GiB", kAnySize), IsOkAndHolds(int64_t{2} << 30));
  EXPECT_THAT(ParseBytes("1TiB", kAnySize), IsOkAndHolds(int64_t{1} << 40));
}

TEST(ParseBytesTest, EverythingElseIsAnsweredWithTheRange) {
  for (const char* text :
       {"1023", "2MiB", "1MB", "1kib", "-1KiB", "KiB", "1.5KiB", "", "9223372036854775807KiB"}) {
    EXPECT_THAT(ParseBytes(text, {1024, 1 << 20}),
                StatusIs(kInvalid, "bytes from 1KiB to 1MiB, such as 64MiB"))
        << text;
  }
}

TEST(FormatBytesTest, WhatIsWrittenIsReadBack) {
  for (const int64_t bytes :
       {int64_t{0}, int64_t{1000}, int64_t{1024}, int64_t{1536}, int64_t{5} << 30}) {
    EXPECT_THAT(ParseBytes(FormatBytes(bytes), kAnySize), IsOkAndHolds(bytes));
  }
}

TEST(ParseDeviceTest, DevicesHaveNumbers) {
  for (const char* text : {"auto", "cpu", "cuda", "cuda:0", "cuda:15"}) {
    EXPECT_THAT(ParseDevice(text), IsOkAndHolds(std::string(text)));
  }
  for (const char* text : {"gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1000", "CPU", ""}) {
    EXPECT_THAT(ParseDevice(text), StatusIs(kInvalid)) << text;
  }
}

TEST(ParseGpuTest, GpusHaveNumbersOrAreAll) {
  for (const char* text : {"all", "cuda:0", "cuda:15"}) {
    EXPECT_THAT(ParseGpu(text), IsOkAndHolds(std::string(text)));
  }
  for (const char* text : {"cuda", "cpu", "auto", "cuda:", "cuda:1000", ""}) {
    EXPECT_THAT(ParseGpu(text), StatusIs(kInvalid, "all, or one or more of cuda:N")) << text;
  }
}

TEST(ParseFractionTest, ADecimalFractionInItsRange) {
  EXPECT_THAT(ParseFraction("0.9", {0.05, 1}), IsOkAndHolds(0.9));
  EXPECT_THAT(ParseFraction("1", {0.05, 1}), IsOkAndHolds(1.0));
  for (const char* text : {"", "0.04", "1.01", "-1", "nan", "1e-1", "90%", ".", "0.5.5"}) {
    EXPECT_THAT(ParseFraction(text, {0.05, 1}), StatusIs(kInvalid, "0.05 to 1")) << text;
  }
}

TEST(ParseListenAddressTest, HostsAndSocketsAreTaken) {
  for (const char* text :
       {"127.0.0.1:50051", "0.0.0.0:0", "[::1]:65535", "localhost:80", "unix:/run/strided.sock"}) {
    EXPECT_THAT(ParseListenAddress(text), IsOkAndHolds(std::string(text)));
  }
}

TEST(ParseListenAddressTest, WhatCannotBeListenedOnIsRefused) {
  for (const char* text : {"50051", ":50051", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                           "127.0.0.1:5s", "::1:80", "http://a:80", "a b:80", ""}) {
    EXPECT_THAT(ParseListenAddress(text),
                StatusIs(kInvalid, "host:port with a port from 0 to 65535"))
        << text;
  }
  for (const std::string& text : {std::string("unix:"), std::string("unix:/"),
                                  std::string("unix:relative"), "unix:/" + std::string(107, 'x')}) {
    EXPECT_THAT(ParseListenAddress(text),
                StatusIs(kInvalid, HasSubstr("absolute path of at most 107")))
        << text;
  }
}

}  // namespace
}  // namespace strided
