#include "client/cpp/command/generation_display.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "client/cpp/command/outcome.h"
#include "tests/client/cpp/messages.h"
#include "tests/client/cpp/output/screen.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;

// A console of strings whose clock a test moves.
struct Fixture {
  Fixture() {
    console.out = &out_sink;
    console.error = &error_sink;
    console.now = [this] { return now; };
  }
  void OnTerminals() {
    console.out_terminal.interactive = true;
    console.error_terminal.interactive = true;
    console.error_terminal.colours = Colours::k24Bit;
  }

  absl::Time now = absl::UnixEpoch();
  std::string out;
  std::string error;
  StringSink out_sink{&out};
  StringSink error_sink{&error};
  Console console;
};

TEST(GenerationDisplayTest, TextStreamsAndALineSaysWhatWasMade) {
  Fixture fixture;
  GenerationDisplay display({}, "", fixture.console);
  EXPECT_OK(display.Show(StartedMessage(1, 2)));
  EXPECT_OK(display.Show(DeltaMessage(0, 2, "a")));
  fixture.now += absl::Seconds(2);
  EXPECT_OK(display.Show(DeltaMessage(0, 3, "bcde")));
  EXPECT_OK(display.Show(FinishedMessage(0, 5)));
  EXPECT_OK(display.Show(SummaryMessage()));
  EXPECT_OK(display.End(absl::OkStatus()));
  EXPECT_EQ(fixture.out, "abcde");
  EXPECT_EQ(fixture.error, "5 tokens, 2.00 tokens/s, ended by LENGTH, seed 7\n");
}

TEST(GenerationDisplayTest, ProgressMakesWayForTextOnTheSameTerminal) {
  Fixture fixture;
  fixture.OnTerminals();
  GenerationDisplay display({}, "", fixture.console);
  EXPECT_OK(display.Show(StartedMessage()));
  fixture.now += absl::Seconds(2);
  v1::GenerateResponse queued;
  queued.mutable_progress()->set_state(v1::Progress::STATE_QUEUED);
  queued.mutable_progress()->set_queue_position(3);
  EXPECT_OK(display.Show(queued));
  EXPECT_EQ(ScreenText(fixture.error), "waiting, 3 ahead");
  EXPECT_OK(display.Show(DeltaMessage(0, 0, "a")));
  EXPECT_EQ(ScreenText(fixture.error), "");
  fixture.now += absl::Seconds(2);
  EXPECT_OK(display.Show(DeltaMessage(0, 1, "b")));
  EXPECT_EQ(ScreenText(fixture.error), "");
}

TEST(GenerationDisplayTest, ProgressStaysWhereTheOutputGoesElsewhere) {
  Fixture fixture;
  fixture.OnTerminals();
  fixture.console.out_terminal.interactive = false;
  GenerationDisplay display({}, "", fixture.console);
  v1::GenerateResponse started = StartedMessage(2);
  started.mutable_started()->mutable_resolved()->set_max_new_tokens(5);
  EXPECT_OK(display.Show(started));
  fixture.now += absl::Seconds(2);
  EXPECT_OK(display.Show(DeltaMessage(0, 0, "a")));
  EXPECT_THAT(ScreenText(fixture.error), HasSubstr("1/10 tokens  10 %"));
}

TEST(GenerationDisplayTest, AnEchoIsShownButNotCounted) {
  Fixture fixture;
  GenerationDisplay display({}, "", fixture.console);
  EXPECT_OK(display.Show(StartedMessage(1, 2)));
  EXPECT_OK(display.Show(DeltaMessage(0, 0, "xya")));
  EXPECT_OK(display.End(absl::OkStatus()));
  EXPECT_EQ(fixture.out, "xya");
  EXPECT_THAT(fixture.error, HasSubstr("1 tokens, incomplete"));
}

TEST(GenerationDisplayTest, FilesOfABrokenStreamHoldWhatHasCome) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/a.txt";
  Fixture fixture;
  GenerationDisplay display({.path = path}, "", fixture.console);
  EXPECT_OK(display.Show(StartedMessage()));
  EXPECT_OK(display.Show(DeltaMessage(0, 0, "ab")));
  EXPECT_THAT(display.End(absl::AbortedError("slow reader")),
              StatusIs(absl::StatusCode::kAborted, "slow reader"));
  EXPECT_THAT(ReadInput(path), IsOkAndHolds("ab"));
  EXPECT_EQ(fixture.error, "2 tokens, incomplete, seed 7, wrote " + path + "\n");
}

TEST(GenerationDisplayTest, AnImageIsPreviewedAndWritten) {
  const TemporaryDirectory directory;
  Fixture fixture;
  fixture.OnTerminals();
  GenerationDisplay display({.path = directory.path() + "/a.png"}, "", fixture.console);
  v1::GenerateResponse started = StartedMessage();
  started.mutable_started()->set_modality(v1::MODALITY_IMAGE);
  started.mutable_started()->mutable_image()->set_height(2);
  started.mutable_started()->mutable_image()->set_width(1);
  started.mutable_started()->mutable_image()->set_channels(3);
  EXPECT_OK(display.Show(started));
  EXPECT_OK(display.Show(DeltaMessage(0, 0, "\1\2\3\4\5\6")));
  EXPECT_OK(display.End(absl::OkStatus()));
  EXPECT_THAT(ScreenText(fixture.error), HasSubstr("[38;2;1;2;3;48;2;4;5;6m"));
  EXPECT_TRUE(std::filesystem::exists(directory.path() + "/a.png"));
}

TEST(GenerationDisplayTest, OutputThatDoesNotFitTheModelEndsItBeforeItBegins) {
  Fixture fixture;
  GenerationDisplay sheet({.sheet = "s.png"}, "", fixture.console);
  EXPECT_THAT(sheet.Show(StartedMessage()),
              StatusIs(absl::StatusCode::kInvalidArgument, "--sheet is for image models"));
  GenerationDisplay format({.format = "png"}, "", fixture.console);
  EXPECT_TRUE(IsUsageError(format.Show(StartedMessage())));
}

}  // namespace
}  // namespace strided::client
