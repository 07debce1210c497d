#include "client/cpp/command/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/command/outcome.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(ValuesTest, NumbersAreReadWholeOrNotAtAll) {
  EXPECT_THAT(ParseUint32("--top-k", "40"), IsOkAndHolds(40U));
  EXPECT_THAT(ParseInt32("--priority", "-3"), IsOkAndHolds(-3));
  EXPECT_THAT(ParseFloat("--top-p", "0.5"), IsOkAndHolds(0.5F));
  EXPECT_THAT(ParseUint64("--seed", "18446744073709551615"), IsOkAndHolds(~uint64_t{0}));
  for (const char* text : {"", "x", "4x", "-1", "4294967296", "1.5"}) {
    EXPECT_THAT(ParseUint32("--top-k", text),
                StatusIs(kInvalid, "--top-k: '" + std::string(text) +
                                       "' is not a whole number from 0 to 4294967295"));
  }
  EXPECT_THAT(ParseFloat("--top-p", "half"), StatusIs(kInvalid, "--top-p: 'half' is not a number"));
  EXPECT_TRUE(IsUsageError(ParseFloat("--top-p", "half").status()));
}

TEST(ValuesTest, TimesAreSecondsOrHaveAUnit) {
  EXPECT_THAT(ParseDuration("--deadline", "90"), IsOkAndHolds(absl::Seconds(90)));
  EXPECT_THAT(ParseDuration("--deadline", "1.5"), IsOkAndHolds(absl::Milliseconds(1500)));
  EXPECT_THAT(ParseDuration("--deadline", "1h30m"), IsOkAndHolds(absl::Minutes(90)));
  EXPECT_THAT(ParseDuration("--deadline", "soon"),
              StatusIs(kInvalid, "--deadline: 'soon' is not a time such as 90, 1.5s or 2m"));
  for (const char* text : {"0", "-1s", "inf", "nan", "1e300"}) {
    EXPECT_THAT(ParseDuration("--deadline", text),
                StatusIs(kInvalid, "--deadline: '" + std::string(text) +
                                       "' is not a time above 0 and below 2^63 seconds"));
  }
}

TEST(ValuesTest, EscapesAreThoseOfC) {
  EXPECT_THAT(ParseEscapes("--stop", R"(\n\n)"), IsOkAndHolds("\n\n"));
  EXPECT_THAT(ParseEscapes("--stop", R"(a\tb\\\x1b\0)"),
              IsOkAndHolds(std::string("a\tb\\\x1b\0", 6)));
  EXPECT_THAT(ParseEscapes("--stop", "[plain], \"quoted\""), IsOkAndHolds("[plain], \"quoted\""));
  EXPECT_THAT(ParseEscapes("--stop", R"(\q)"),
              StatusIs(kInvalid, R"(--stop: '\q' is not text with C escapes (\n, \t, \x1b, \\))"));
}

TEST(ValuesTest, IdsAreListsAndRanges) {
  EXPECT_THAT(ParseIds("--allowed-ids", "7"), IsOkAndHolds(ElementsAre(7U)));
  EXPECT_THAT(ParseIds("--allowed-ids", "65-68,10,3-3"),
              IsOkAndHolds(ElementsAre(65U, 66U, 67U, 68U, 10U, 3U)));
  for (const char* text : {"", "1,", "5-3", "1-2-3", "a", "-1"}) {
    EXPECT_THAT(
        ParseIds("--allowed-ids", text),
        StatusIs(kInvalid, "--allowed-ids: '" + std::string(text) +
                               "' is not a list of ids and ranges such as 65-90,97-122,10"));
  }
  EXPECT_THAT(ParseIds("--allowed-ids", "0-4294967295"),
              StatusIs(kInvalid, "--allowed-ids: more than 1048576 ids"));
}

TEST(ValuesTest, PairsAreSplitAtTheFirstEqualsSign) {
  EXPECT_THAT(ParsePair("--condition", "a=b=c"), IsOkAndHolds(Pair("a", "b=c")));
  for (const char* text : {"a", "=b", "a=", ""}) {
    EXPECT_THAT(ParsePair("--condition", text),
                StatusIs(kInvalid,
                         "--condition: '" + std::string(text) + "' is not of the form name=value"));
  }
}

}  // namespace
}  // namespace strided::client
