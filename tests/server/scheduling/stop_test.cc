// Stop sequences and stop ids, as the scheduler applies them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/scheduling/scheduler_bench.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// An executor's draw that gives `tokens` after a prompt of `prompt_tokens`.
FakeExecutor::Draw Scripted(const std::vector<int32_t>& tokens, size_t prompt_tokens = 0) {
  return [=](const SequenceSpec&, std::span<const int32_t> history) {
    return tokens.at(history.size() - prompt_tokens);
  };
}

struct Ran {
  std::vector<int32_t> tokens;
  SampleEnd end;
};

Ran RunScripted(const std::vector<int32_t>& drawn, const StopConditions& stop) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  bench.executor.draw = Scripted(drawn);
  Job job = GenerateJob(0, static_cast<int>(drawn.size()));
  job.stop.sequences = stop.sequences;
  job.stop.ids = stop.ids;
  job.stop.end_id = stop.end_id;
  job.stop.text_of = stop.text_of;
  job.stop.min_new_tokens = stop.min_new_tokens;
  job.stop.include_stop = stop.include_stop;
  bench.Submit(job, sink);
  bench.Run();
  EXPECT_OK(sink.status);
  const RecordedSample& sample = sink.samples[0];
  EXPECT_TRUE(sample.end.has_value());
  EXPECT_EQ(sample.log_probs, ExpectedLogProbs({}, sample.tokens));
  EXPECT_EQ(sample.end->sum_log_prob, Sum(sample.log_probs));
  EXPECT_EQ(sample.end->generated_tokens, static_cast<int>(sample.tokens.size()));
  return {sample.tokens, *sample.end};
}

TEST(StopTest, AStopSequenceEndsTheSampleAndIsNotPushed) {
  const Ran ran = RunScripted({1, 2, 3, 4, 5, 6}, {.sequences = {{4, 5}}, .ids = {}});
  EXPECT_THAT(ran.tokens, ElementsAre(1, 2, 3));
  EXPECT_EQ(ran.end.reason, FinishReason::kStop);
  EXPECT_THAT(ran.end.matched_stop, ElementsAre(4, 5));
}

TEST(StopTest, AStopIsPushedAndCountedWhereTheJobIncludesIt) {
  const Ran ran =
      RunScripted({1, 2, 3, 4, 5, 6}, {.sequences = {{4, 5}}, .ids = {}, .include_stop = true});
  EXPECT_THAT(ran.tokens, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(ran.end.reason, FinishReason::kStop);
}

TEST(StopTest, AStopIdEndsTheSampleLikeASequenceOfOneToken) {
  const Ran ran = RunScripted({1, 2, 3}, {.sequences = {{9, 9}}, .ids = {3, 8}});
  EXPECT_THAT(ran.tokens, ElementsAre(1, 2));
  EXPECT_EQ(ran.end.reason, FinishReason::kStop);
  EXPECT_THAT(ran.end.matched_stop, ElementsAre(3));
}

TEST(StopTest, AStopBeforeTheLeastLengthIsPassedOver) {
  const Ran ran =
      RunScripted({3, 1, 3, 1, 3, 1}, {.min_new_tokens = 4, .sequences = {}, .ids = {3}});
  EXPECT_THAT(ran.tokens, ElementsAre(3, 1, 3, 1));
  EXPECT_EQ(ran.end.reason, FinishReason::kStop);
}

TEST(StopTest, WhatIsWithheldAtTheEndOfTheLengthIsPushed) {
  const Ran ran = RunScripted({1, 2, 4, 5}, {.sequences = {{4, 5, 6}}, .ids = {}});
  EXPECT_THAT(ran.tokens, ElementsAre(1, 2, 4, 5));
  EXPECT_EQ(ran.end.reason, FinishReason::kLength);
  EXPECT_THAT(ran.end.matched_stop, IsEmpty());
}

TEST(StopTest, WithheldTokensArePushedOnceTheyCanNoLongerMatch) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  bench.executor.draw = Scripted({1, 4, 5, 4, 5, 7, 2});
  Job job = GenerateJob(0, 7);
  job.stop.sequences = {{4, 5, 6}};
  job.top_logprobs = 2;
  bench.Submit(job, sink);
  std::vector<size_t> pushed;
  for (int step = 0; step < 7; ++step) {
    bench.Run(1);
    pushed.push_back(sink.tokens().size());
  }
  EXPECT_THAT(pushed, ElementsAre(1, 1, 1, 3, 3, 6, 7));
  EXPECT_THAT(sink.tokens(), ElementsAre(1, 4, 5, 4, 5, 7, 2));
  std::vector<int32_t> history;
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(sink.samples[0].top_values[i][1], FakeExecutor::LogProb(history, 1)) << "token " << i;
    history.push_back(sink.tokens()[i]);
  }
}

TEST(StopTest, ATimeLimitPushesWhatIsWithheld) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  bench.executor.draw = Scripted({1, 4, 5, 6});
  Job job = GenerateJob(0, 4);
  job.stop.sequences = {{4, 5, 6}};
  job.time_limit = bench.clock.Now() + absl::Seconds(1);
  bench.Submit(job, sink);
  bench.Run(3);
  EXPECT_THAT(sink.tokens(), ElementsAre(1));
  bench.clock.Advance(absl::Seconds(1));
  bench.Run();
  EXPECT_THAT(sink.tokens(), ElementsAre(1, 4, 5));
  EXPECT_EQ(sink.samples[0].end->reason, FinishReason::kTimeLimit);
}

TEST(StopTest, ALongRunOfHalfMatchesKeepsItsOrder) {
  std::vector<int32_t> drawn;
  for (int i = 0; i < 200; ++i) drawn.push_back(i % 7 == 6 ? 2 : 1);
  const Ran ran = RunScripted(drawn, {.sequences = {{1, 1, 1, 1, 1, 1, 1}}, .ids = {}});
  EXPECT_EQ(ran.tokens, drawn);
}

TEST(StopTest, AStopStraddlesTheCutOfAResume) {
  SchedulerBench bench;
  const std::vector<int32_t> drawn = {1, 2, 4, 5, 6, 3};
  bench.executor.draw = Scripted(drawn);
  Job job = GenerateJob(0, 6);
  job.stop.sequences = {{4, 5, 6}};
  // The client was sent 1 and 2 when the stream broke; 4 and 5 were withheld.
  job.resumed = {1, 2};
  RecordingSink& sink = bench.NewSink();
  bench.Submit(job, sink);
  bench.Run();
  EXPECT_THAT(sink.tokens(), IsEmpty());
  EXPECT_EQ(sink.samples[0].end->reason, FinishReason::kStop);
  EXPECT_EQ(sink.samples[0].end->generated_tokens, 2);
  EXPECT_EQ(sink.samples[0].end->sum_log_prob, Sum(ExpectedLogProbs({}, {1, 2})));
}

TEST(StopTest, AResumeAmongTokensThatLookLikeAStopPushesNoneOfThemAgain) {
  SchedulerBench bench;
  bench.executor.draw = Scripted({1, 4, 5, 7, 2});
  Job job = GenerateJob(0, 5);
  job.stop.sequences = {{4, 5, 6}};
  job.resumed = {1, 4};  // a cut within what was pushed at once when 7 came
  RecordingSink& sink = bench.NewSink();
  bench.Submit(job, sink);
  bench.Run();
  EXPECT_THAT(sink.tokens(), ElementsAre(5, 7, 2));
  EXPECT_THAT(sink.samples[0].positions, ElementsAre(2, 3, 4));
  EXPECT_EQ(sink.samples[0].end->generated_tokens, 5);
}

TEST(StopTest, AResumeAfterAnIncludedStopEndsWithoutDrawing) {
  SchedulerBench bench;
  Job job = GenerateJob(0, 9);
  job.stop.sequences = {{4, 5}};
  job.stop.include_stop = true;
  job.resumed = {1, 4, 5};
  RecordingSink& sink = bench.NewSink();
  bench.Submit(job, sink);
  bench.Run();
  EXPECT_THAT(sink.tokens(), IsEmpty());
  EXPECT_EQ(sink.samples[0].end->reason, FinishReason::kStop);
  EXPECT_EQ(sink.samples[0].end->generated_tokens, 3);
  EXPECT_THAT(sink.samples[0].end->matched_stop, ElementsAre(4, 5));
}

// Over text: token 0 is nothing, 1 "a", 2 "ab", 3 "abc", and so on.
StopConditions TextStops(const std::vector<std::string>& sequences) {
  StopConditions stop;
  for (const std::string& sequence : sequences) {
    stop.sequences.emplace_back(sequence.begin(), sequence.end());
  }
  stop.text_of = [](int32_t token) {
    return absl::string_view("abcdefghijklmnop").substr(0, static_cast<size_t>(token));
  };
  return stop;
}

TEST(StopTest, AStopSequenceOfTextMayBeginAndEndInsideOfTokens) {
  const Ran ran =
      RunScripted({1, 3, 2, 5, 6}, TextStops({"cab"}));  // a abc ab: the second begins it
  EXPECT_THAT(ran.tokens, ElementsAre(1));
  EXPECT_EQ(ran.end.reason, FinishReason::kStop);
  EXPECT_THAT(ran.end.matched_stop, ElementsAre('c', 'a', 'b'));
  EXPECT_EQ(ran.end.text_before_stop, "ab");
}

TEST(StopTest, WhatOnlyBeganAStopOfTextIsReleased) {
  const Ran ran = RunScripted({3, 3, 1, 3, 2, 2}, TextStops({"cax"}));
  EXPECT_THAT(ran.tokens, ElementsAre(3, 3, 1, 3, 2, 2));
  EXPECT_EQ(ran.end.reason, FinishReason::kLength);
  EXPECT_EQ(ran.end.text_before_stop, "");
}

TEST(StopTest, AStopOfTextWithinOneTokenIsCutOutOfIt) {
  const Ran ran = RunScripted({2, 6, 1}, TextStops({"cd"}));
  EXPECT_THAT(ran.tokens, ElementsAre(2));
  EXPECT_EQ(ran.end.text_before_stop, "ab");
}

TEST(StopTest, AnIncludedStopOfTextKeepsItsTokensWhole) {
  StopConditions stop = TextStops({"cd"});
  stop.include_stop = true;
  const Ran ran = RunScripted({2, 6, 1}, stop);
  EXPECT_THAT(ran.tokens, ElementsAre(2, 6));
  EXPECT_EQ(ran.end.text_before_stop, "");
}

TEST(StopTest, ATokenWithoutTextEndsWhatMayBecomeAStop) {
  const Ran ran = RunScripted({3, 0, 2, 1}, TextStops({"cab"}));
  EXPECT_THAT(ran.tokens, ElementsAre(3, 0, 2, 1));
  EXPECT_EQ(ran.end.reason, FinishReason::kLength);
}

TEST(StopTest, AStopIdBesideTextReleasesWhatIsWithheldBeforeIt) {
  StopConditions stop = TextStops({"cax"});
  stop.ids = {2};
  const Ran ran = RunScripted({3, 1, 2, 1}, stop);
  EXPECT_THAT(ran.tokens, ElementsAre(3, 1));
  EXPECT_EQ(ran.end.reason, FinishReason::kStop);
  EXPECT_THAT(ran.end.matched_stop, ElementsAre('a', 'b'));
}

TEST(StopTest, NoStopOfTextComesBeforeTheLeastNumberOfTokens) {
  StopConditions stop = TextStops({"bc"});
  stop.min_new_tokens = 3;
  const Ran ran = RunScripted({3, 3, 3, 1}, stop);
  EXPECT_THAT(ran.tokens, ElementsAre(3, 3));
  EXPECT_EQ(ran.end.text_before_stop, "a");
}

TEST(StopTest, TheModelsOwnEndIsTheEndOfTheSequence) {
  const Ran ran = RunScripted({1, 2, 9, 3}, {.sequences = {}, .ids = {7, 9}, .end_id = 9});
  EXPECT_THAT(ran.tokens, ElementsAre(1, 2));
  EXPECT_EQ(ran.end.reason, FinishReason::kEndOfSequence);
  EXPECT_THAT(ran.end.matched_stop, IsEmpty());
}

}  // namespace
}  // namespace strided
