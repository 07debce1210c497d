#include "server/service/token_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/error_detail.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kDelay = absl::Milliseconds(20);

// What a stream says, in words: "tokens 0: 1 2", "end 0", ...
std::string InWords(const StreamEvent& event) {
  if (const auto* batch = std::get_if<TokenBatch>(&event)) {
    return absl::StrCat("tokens ", batch->sample_index, ": ", absl::StrJoin(batch->tokens, " "));
  }
  if (const auto* end = std::get_if<SampleEnd>(&event)) {
    return absl::StrCat("end ", end->sample_index);
  }
  if (const auto* progress = std::get_if<JobProgress>(&event)) {
    return absl::StrCat("progress ", progress->queue_position);
  }
  return std::holds_alternative<Opening>(event) ? "opening" : "summary";
}

// A call whose reader the test plays: it takes what is written when told to.
class FakeCall final : public StreamCall {
 public:
  void Write(StreamEvent event) override {
    EXPECT_FALSE(writing) << "a second write";
    EXPECT_FALSE(end.has_value()) << "a write after the end";
    writing = true;
    said.push_back(InWords(event));
  }
  void Finish(const absl::Status& status) override {
    EXPECT_FALSE(writing) << "an end in the middle of a write";
    EXPECT_FALSE(end.has_value()) << "a second end";
    end = status;
  }
  void ResumeJob() override { ++resumed; }
  void BreakOff(const absl::Status& status) override { broken_off = status; }
  void WakeAt(absl::Time when) override { wake = when; }
  // The turn comes at once, unless the test holds it.
  void PumpSoon() override {
    ++turns_asked;
    if (!turns_held) take_turn();
  }

  std::function<void()> take_turn;
  bool turns_held = false;
  int turns_asked = 0;
  bool writing = false;
  std::vector<std::string> said;
  std::optional<absl::Status> end;
  std::optional<absl::Status> broken_off;
  std::optional<absl::Time> wake;
  int resumed = 0;
};

struct Harness {
  explicit Harness(const StreamOptions& options = {.mailbox = {.message_delay = kDelay}})
      : stream(options, &clock, nullptr, &call) {
    call.take_turn = [this] { stream.OnTurn(); };
  }

  void Push(int first_position, int count, uint32_t sample = 0) {
    std::vector<PushedToken> tokens(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      PushedToken& token = tokens[static_cast<size_t>(i)];
      token.sample_index = sample;
      token.position = token.token = first_position + i;
    }
    stream.Push(tokens);
  }
  void EndSample(uint32_t sample) {
    SampleEnd end;
    end.sample_index = sample;
    stream.FinishSample(end);
  }
  // The reader takes the message that is on its way.
  void Read() {
    ASSERT_TRUE(call.writing);
    call.writing = false;
    stream.OnWriteDone(true);
  }
  void ReadAll() {
    while (call.writing) Read();
  }
  // Turns the clock to the time that the stream has asked for.
  void AwaitTimer() {
    ASSERT_TRUE(call.wake.has_value());
    clock.Advance(*std::exchange(call.wake, std::nullopt) - clock.Now());
    stream.OnTimer();
  }

  FakeClock clock;
  FakeCall call;
  TokenStream stream;
};

TEST(TokenStreamTest, AStreamIsOpeningTokensEndsAndSummary) {
  Harness h;
  h.stream.Open();
  h.ReadAll();
  h.Push(0, 1);
  h.ReadAll();
  h.Push(1, 2);
  h.EndSample(0);
  JobSummary summary;
  summary.generated_tokens = 3;
  h.stream.Finish(absl::OkStatus(), summary);
  EXPECT_FALSE(h.call.end.has_value());
  h.ReadAll();
  EXPECT_THAT(h.call.said,
              ElementsAre("opening", "tokens 0: 0", "tokens 0: 1 2", "end 0", "summary"));
  ASSERT_TRUE(h.call.end.has_value());
  EXPECT_OK(*h.call.end);
  EXPECT_EQ(h.stream.summary().generated_tokens, 3);
}

TEST(TokenStreamTest, TheFirstTokenGoesAtOnceAndTheNextOnesGather) {
  Harness h;
  h.Push(0, 1);
  EXPECT_THAT(h.call.said, ElementsAre("tokens 0: 0"));
  h.Read();
  h.Push(1, 3);
  EXPECT_FALSE(h.call.writing);
  h.AwaitTimer();
  EXPECT_EQ(h.clock.Now(), absl::UnixEpoch() + kDelay);
  EXPECT_THAT(h.call.said, ElementsAre("tokens 0: 0", "tokens 0: 1 2 3"));
}

TEST(TokenStreamTest, WhatComesWhileTheTimerIsDueIsLeftToIt) {
  Harness h;
  h.Push(0, 1);
  h.Read();
  h.Push(1, 1);
  h.clock.Advance(2 * kDelay);
  h.Push(2, 1);
  EXPECT_FALSE(h.call.writing) << "the scheduler's thread has more to do";
  h.stream.OnTimer();
  EXPECT_THAT(h.call.said, ElementsAre("tokens 0: 0", "tokens 0: 1 2"));
  h.Read();
  h.clock.Advance(2 * kDelay);
  h.Push(3, 1);
  EXPECT_TRUE(h.call.writing) << "no timer is set";
}

TEST(TokenStreamTest, WhatComesDuringAWriteGoesWithTheNext) {
  Harness h({.mailbox = {.message_delay = absl::ZeroDuration()}});
  h.Push(0, 1);
  h.Push(1, 5);
  h.Read();
  h.Push(6, 1);
  h.ReadAll();
  EXPECT_THAT(h.call.said, ElementsAre("tokens 0: 0", "tokens 0: 1 2 3 4 5", "tokens 0: 6"));
}

TEST(TokenStreamTest, EachSampleEndsAfterItsOwnTokens) {
  Harness h;
  h.Push(0, 1, 0);
  h.Push(1, 1, 0);
  h.Push(0, 2, 1);
  h.EndSample(1);
  h.EndSample(0);
  h.stream.Finish(absl::OkStatus(), {});
  h.ReadAll();
  EXPECT_THAT(h.call.said, ElementsAre("tokens 0: 0", "tokens 1: 0 1", "tokens 0: 1", "end 0",
                                       "end 1", "summary"));
}

TEST(TokenStreamTest, AFullMailboxPausesUntilHalfOfItIsRead) {
  Harness h({.mailbox = {.message_tokens = 2, .capacity_tokens = 6}});
  h.Push(0, 1);  // on its way
  h.Push(1, 5);
  EXPECT_EQ(h.stream.Room(), 1);
  h.Push(6, 1);
  EXPECT_EQ(h.stream.Room(), 0);
  h.Read();  // 2 of 6 go
  EXPECT_EQ(h.stream.Room(), 0);
  EXPECT_EQ(h.call.resumed, 0);
  h.Read();
  EXPECT_EQ(h.stream.Room(), 4);
  EXPECT_EQ(h.call.resumed, 1);
  h.ReadAll();
  EXPECT_EQ(h.call.resumed, 1);
}

TEST(TokenStreamTest, ProgressIsSentWhereNothingElseFlows) {
  Harness h;
  h.stream.Open();
  h.ReadAll();
  h.stream.Progress({.queue_position = 9});
  h.stream.Progress({.queue_position = 8});
  EXPECT_THAT(h.call.said, ElementsAre("opening"));
  h.AwaitTimer();
  EXPECT_EQ(h.clock.Now(), absl::UnixEpoch() + absl::Milliseconds(250));
  EXPECT_THAT(h.call.said, ElementsAre("opening", "progress 8"));
  h.ReadAll();
  h.stream.Progress({.queue_position = 7});
  h.Push(0, 1);
  h.ReadAll();
  h.clock.Advance(absl::Seconds(1));
  h.stream.OnTimer();
  EXPECT_THAT(h.call.said, ElementsAre("opening", "progress 8", "tokens 0: 0"));
}

TEST(TokenStreamTest, AnErrorDropsWhatWaitsAndEndsAfterTheWrite) {
  Harness h;
  h.Push(0, 1);
  h.Push(1, 2);
  h.stream.Finish(absl::InternalError("the device failed"), {});
  EXPECT_FALSE(h.call.end.has_value());
  h.Read();
  EXPECT_THAT(h.call.said, ElementsAre("tokens 0: 0"));
  EXPECT_THAT(*h.call.end, StatusIs(absl::StatusCode::kInternal, "the device failed"));
}

TEST(TokenStreamTest, AnErrorWithoutAWriteEndsAtOnce) {
  Harness h;
  h.stream.Finish(absl::UnavailableError("draining"), {});
  EXPECT_THAT(*h.call.end, StatusIs(absl::StatusCode::kUnavailable));
}

TEST(TokenStreamTest, ABrokenCallTakesTokensUntilTheJobHasEnded) {
  Harness h({.mailbox = {.capacity_tokens = 2}});
  h.Push(0, 1);
  h.Push(1, 3);
  EXPECT_EQ(h.stream.Room(), 0);
  h.call.writing = false;
  h.stream.OnWriteDone(false);
  EXPECT_GT(h.stream.Room(), 0) << "a paused job could not take its cancellation";
  h.Push(4, 10);
  h.EndSample(0);
  EXPECT_FALSE(h.call.end.has_value());
  h.stream.Finish(absl::CancelledError("gone"), {});
  EXPECT_THAT(*h.call.end, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(h.call.said, ElementsAre("tokens 0: 0"));
}

TEST(TokenStreamTest, AReaderThatTheSchedulerGaveUpIsBrokenOff) {
  Harness h;
  h.Push(0, 1);
  h.stream.Finish(absl::AbortedError("too slow"), {});
  ASSERT_TRUE(h.call.broken_off.has_value());
  EXPECT_THAT(*h.call.broken_off, StatusIs(absl::StatusCode::kAborted, "too slow"));
  EXPECT_FALSE(h.call.end.has_value());
  h.call.writing = false;
  h.stream.OnWriteDone(false);
  EXPECT_THAT(*h.call.end, StatusIs(absl::StatusCode::kAborted, "too slow"));
}

TEST(TokenStreamTest, AReaderThatLeavesTheLastTokensIsBrokenOff) {
  Harness h;
  h.Push(0, 1);
  h.EndSample(0);
  h.stream.Finish(absl::OkStatus(), {});
  EXPECT_FALSE(h.call.broken_off.has_value());
  h.AwaitTimer();
  EXPECT_EQ(h.clock.Now(), absl::UnixEpoch() + absl::Minutes(5));
  ASSERT_TRUE(h.call.broken_off.has_value());
  EXPECT_EQ(ReasonOf(*h.call.broken_off)->reason, "SLOW_READER");
  h.call.writing = false;
  h.stream.OnWriteDone(false);
  EXPECT_THAT(*h.call.end, StatusIs(absl::StatusCode::kAborted));
}

TEST(TokenStreamTest, AStreamOfTokensHasNothingBesideThemButItsSummary) {
  Harness h({.mailbox = {.message_delay = kDelay}, .tokens_only = true});
  h.stream.Open();
  h.stream.Progress({.queue_position = 1});
  h.clock.Advance(absl::Seconds(1));
  h.stream.OnTimer();
  EXPECT_THAT(h.call.said, IsEmpty());
  h.Push(0, 1);
  h.Push(1, 1);
  h.EndSample(0);
  h.stream.Finish(absl::OkStatus(), {});
  h.ReadAll();
  EXPECT_THAT(h.call.said, ElementsAre("tokens 0: 0", "tokens 0: 1", "summary"));
}

TEST(TokenStreamTest, TokensThatComeTogetherGoTogether) {
  Harness h;
  h.Push(0, 3);
  EXPECT_THAT(h.call.said, ElementsAre("tokens 0: 0 1 2"));
}

TEST(TokenStreamTest, TheSchedulersThreadLeavesWhatIsDueToAnother) {
  Harness h;
  h.call.turns_held = true;
  h.Push(0, 1);
  h.Push(1, 1);
  h.EndSample(0);
  EXPECT_THAT(h.call.said, IsEmpty());
  EXPECT_EQ(h.call.turns_asked, 1);
  h.stream.OnTimer();
  EXPECT_THAT(h.call.said, IsEmpty()) << "the scheduler's thread may still be in PumpSoon";
  h.stream.OnTurn();
  EXPECT_THAT(h.call.said, ElementsAre("tokens 0: 0 1"));
  h.ReadAll();
  EXPECT_THAT(h.call.said, ElementsAre("tokens 0: 0 1", "end 0"));
}

TEST(TokenStreamTest, NobodyEndsTheCallBeforeTheTurnThatWasAskedFor) {
  Harness h;
  h.Push(0, 1);
  h.call.turns_held = true;
  h.stream.Finish(absl::InternalError("the device failed"), {});
  h.Read();
  EXPECT_FALSE(h.call.end.has_value()) << "the scheduler's thread may still be in PumpSoon";
  h.stream.OnTurn();
  EXPECT_TRUE(h.call.end.has_value());
}

TEST(TokenStreamTest, ATimerThatComesAfterTheEndDoesNothing) {
  Harness h;
  h.Push(0, 1);
  h.Read();
  h.Push(1, 1);
  h.stream.Finish(absl::OkStatus(), {});
  h.ReadAll();
  ASSERT_TRUE(h.call.end.has_value());
  h.AwaitTimer();
  EXPECT_THAT(h.call.said, ElementsAre("tokens 0: 0", "tokens 0: 1", "summary"));
}

}  // namespace
}  // namespace strided
