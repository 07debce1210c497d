#include "client/cpp/output/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/cpp/output/screen.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::Le;
using ::testing::SizeIs;

TEST(ProgressTest, ABarFillsTheRoomThatNumbersLeave) {
  const ProgressState state = {.done = 1234, .total = 3072, .tokens_per_second = 85.2};
  EXPECT_EQ(ProgressBar(state, 100),
            "1,234/3,072 tokens  40 %  [############------------------]  85.2 tokens/s  ETA 0:22");
  for (int columns = 1; columns < 120; ++columns) {
    EXPECT_THAT(ProgressBar(state, columns),
                SizeIs(Le(static_cast<size_t>(std::max(1, columns - 1)))))
        << columns << " columns";
  }
  EXPECT_EQ(ProgressText(state), "1,234/3,072 tokens  40 %  85.2 tokens/s  ETA 0:22");
}

TEST(ProgressTest, WhatNeedsATotalIsLeftOutWhereThereIsNone) {
  EXPECT_EQ(ProgressBar({.done = 12, .tokens_per_second = 3}, 80), "12 tokens  3.00 tokens/s");
  EXPECT_EQ(ProgressText({.done = 0}), "0 tokens");
}

TEST(ProgressTest, MoreThanTheTotalIsAHundredPercent) {
  EXPECT_EQ(ProgressText({.done = 9, .total = 3, .tokens_per_second = 1}),
            "9/3 tokens  100 %  1.00 tokens/s");
}

// A clock that a test moves.
struct Fixture {
  absl::Time now = absl::UnixEpoch();
  std::string out;
  StringSink sink{&out};
  LiveLines lines{&sink, [this] { return now; }};

  Progress Live() {
    return Progress({.live = &lines}, [this] { return now; });
  }
  Progress Plain() {
    return Progress({.plain = &sink}, [this] { return now; });
  }
};

TEST(ProgressTest, TheFirstSecondIsSilent) {
  Fixture fixture;
  Progress progress = fixture.Live();
  EXPECT_OK(progress.Wait("waiting, 2 ahead"));
  fixture.now += absl::Milliseconds(999);
  EXPECT_OK(progress.Add(10));
  EXPECT_EQ(fixture.out, "");
  fixture.now += absl::Milliseconds(1);
  EXPECT_OK(progress.Add(10));
  EXPECT_NE(fixture.out, "");
}

TEST(ProgressTest, AWaitIsNamedUntilTheFirstToken) {
  Fixture fixture;
  Progress progress = fixture.Live();
  fixture.now += absl::Seconds(2);
  EXPECT_OK(progress.Wait("waiting, 2 ahead"));
  EXPECT_EQ(ScreenText(fixture.out), "waiting, 2 ahead");
  fixture.now += absl::Seconds(1);
  EXPECT_OK(progress.Add(1));
  EXPECT_OK(progress.Wait("waiting"));
  EXPECT_EQ(ScreenText(fixture.out), "1 tokens");
}

TEST(ProgressTest, TheRateCountsFromTheFirstToken) {
  Fixture fixture;
  Progress progress = fixture.Live();
  fixture.now += absl::Seconds(100);  // in the queue
  EXPECT_OK(progress.Add(5));
  EXPECT_EQ(progress.rate(), 0);
  fixture.now += absl::Seconds(2);
  EXPECT_OK(progress.Add(10));
  EXPECT_EQ(progress.rate(), 5);
}

TEST(ProgressTest, WithoutATerminalALineComesEveryFiveSeconds) {
  Fixture fixture;
  Progress progress = fixture.Plain();
  progress.SetTotal(100);
  progress.BeginRate();
  for (int second = 1; second <= 11; ++second) {
    fixture.now += absl::Seconds(1);
    EXPECT_OK(progress.Add(5));
  }
  EXPECT_EQ(fixture.out,
            "25/100 tokens  25 %  5.00 tokens/s  ETA 0:15\n"
            "50/100 tokens  50 %  5.00 tokens/s  ETA 0:10\n");
}

TEST(ProgressTest, HiddenProgressOnlyCounts) {
  Fixture fixture;
  Progress progress = fixture.Live();
  progress.Hide();
  fixture.now += absl::Seconds(10);
  EXPECT_OK(progress.Add(3));
  EXPECT_EQ(fixture.out, "");
  EXPECT_EQ(progress.done(), 3U);
}

}  // namespace
}  // namespace strided::client
