#include "server/observability/log_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"

namespace strided {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

const absl::Time kNoon = absl::FromUnixMicros(1'700'000'000'123'456);

TEST(LogLineTest, ALineIsOneObjectWithItsFieldsInOrder) {
  EXPECT_EQ(FormatLogLine(
                kNoon, Severity::kWarning, "slow step",
                {{"model", "text"}, {"step", int64_t{12}}, {"seconds", 0.25}, {"healthy", true}}),
            "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"severity\":\"WARNING\","
            "\"message\":\"slow step\",\"model\":\"text\",\"step\":12,\"seconds\":0.25,"
            "\"healthy\":true}\n");
}

TEST(LogLineTest, QuotesAndNewlinesCannotBreakALine) {
  const std::string line =
      FormatLogLine(kNoon, Severity::kInfo, "a \"b\"\nc", {{"reason", "x\ny"}});
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const nlohmann::json parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["message"], "a \"b\"\nc");
  EXPECT_EQ(parsed["reason"], "x\ny");
}

TEST(LogLineTest, NumbersThatJsonLacksBecomeText) {
  const nlohmann::json parsed =
      nlohmann::json::parse(FormatLogLine(kNoon, Severity::kInfo, "m",
                                          {{"a", std::numeric_limits<double>::infinity()},
                                           {"b", std::numeric_limits<double>::quiet_NaN()}}));
  EXPECT_EQ(parsed["a"], "inf");
  EXPECT_EQ(parsed["b"], "nan");
}

TEST(EscapeToUtf8Test, CharactersOfEveryLengthStay) {
  for (const std::string text : {"plain", "\u00e9", "\u20ac", "\U0001f600", "\u07ff\u0800\uffff"}) {
    EXPECT_EQ(EscapeToUtf8(text), text);
  }
}

TEST(EscapeToUtf8Test, EveryByteThatIsNoCharacterIsKeptAsHex) {
  EXPECT_EQ(EscapeToUtf8("a\xff"
                         "b"),
            "a\\xffb");
  EXPECT_EQ(EscapeToUtf8("\x80"), "\\x80");
  EXPECT_EQ(EscapeToUtf8("\xc3"), "\\xc3");                             // cut off
  EXPECT_EQ(EscapeToUtf8("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(EscapeToUtf8("\xe0\x9f\xbf"), "\\xe0\\x9f\\xbf");           // overlong
  EXPECT_EQ(EscapeToUtf8("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(EscapeToUtf8("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(EscapeToUtf8("\xe2\x82\xc3\xa9"), "\\xe2\\x82\u00e9");      // then a good one
}

TEST(LogTest, LinesOfSeveralThreadsDoNotMix) {
  ::testing::internal::CaptureStderr();
  {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int line = 0; line < 100; ++line) Log(Severity::kInfo, std::string(200, 'x'));
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  std::string output = ::testing::internal::GetCapturedStderr();
  ASSERT_FALSE(output.empty());
  output.pop_back();
  const std::vector<std::string> lines = absl::StrSplit(output, '\n');
  EXPECT_THAT(lines, SizeIs(400));
  EXPECT_THAT(lines, Each(HasSubstr("\"" + std::string(200, 'x') + "\"}")));
}

TEST(LogTest, LinesBelowTheLeastSeverityAreDropped) {
  ::testing::internal::CaptureStderr();
  SetLogSeverity(Severity::kWarning);
  Log(Severity::kInfo, "quiet");
  Log(Severity::kWarning, "loud");
  SetLogSeverity(Severity::kInfo);
  const std::string output = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(output, HasSubstr("loud"));
  EXPECT_THAT(output, Not(HasSubstr("quiet")));
}

}  // namespace
}  // namespace strided
