#include "client/cpp/output/live_lines.h"

#include <gtest/gtest.h>

#include "tests/client/cpp/output/screen.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

// Lines on a screen, and the time that they see.
struct Fixture {
  absl::Time now = absl::UnixEpoch();
  std::string out;
  StringSink sink{&out};
  LiveLines lines{&sink, [this] { return now; }};

  std::string Shown() const { return ScreenText(out); }
};

TEST(LiveLinesTest, ALineIsRedrawnInPlace) {
  Fixture fixture;
  EXPECT_OK(fixture.lines.Set(LiveLines::kProgress, "10 %"));
  fixture.now += absl::Seconds(1);
  EXPECT_OK(fixture.lines.Set(LiveLines::kProgress, "9 %"));
  EXPECT_EQ(fixture.Shown(), "9 %");
}

TEST(LiveLinesTest, PrintedLinesStandAboveLiveOnes) {
  Fixture fixture;
  EXPECT_OK(fixture.lines.Set(LiveLines::kProgress, "progress"));
  fixture.now += absl::Seconds(1);
  EXPECT_OK(fixture.lines.Set(LiveLines::kPicture, "row 2"));
  EXPECT_OK(fixture.lines.Print("row 1"));
  EXPECT_EQ(fixture.Shown(), "row 1\nrow 2\nprogress");
  EXPECT_OK(fixture.lines.Replace(LiveLines::kPicture, "row 2, whole"));
  EXPECT_EQ(fixture.Shown(), "row 1\nrow 2, whole\nprogress");
  EXPECT_OK(fixture.lines.Clear());
  EXPECT_EQ(fixture.Shown(), "row 1\nrow 2, whole\n");
}

TEST(LiveLinesTest, ChangesThatComeTooFastWaitForTheNextOne) {
  Fixture fixture;
  EXPECT_OK(fixture.lines.Set(LiveLines::kProgress, "1"));
  fixture.now += absl::Milliseconds(10);
  EXPECT_OK(fixture.lines.Set(LiveLines::kProgress, "2"));
  EXPECT_EQ(fixture.Shown(), "1");
  fixture.now += absl::Milliseconds(50);
  EXPECT_OK(fixture.lines.Set(LiveLines::kPicture, "row"));
  EXPECT_EQ(fixture.Shown(), "row\n2");
}

TEST(LiveLinesTest, ClearingNothingWritesNothing) {
  Fixture fixture;
  EXPECT_OK(fixture.lines.Clear());
  EXPECT_EQ(fixture.out, "");
}

}  // namespace
}  // namespace strided::client
