// Calls of several steps: how many, what is pushed, what is dropped, what is counted.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "engine/base/error_detail.h"
#include "tests/server/scheduling/scheduler_bench.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr absl::Duration kMillisecond = absl::Milliseconds(1);

// The steps of each row, call by call.
std::vector<std::vector<int>> StepsOfCalls(const SchedulerBench& bench) {
  std::vector<std::vector<int>> calls;
  for (const StepPlan& plan : bench.executor.plans) {
    std::vector<int>& steps = calls.emplace_back();
    for (const StepRow& row : plan.rows) steps.push_back(row.steps);
  }
  return calls;
}

// From now on each token that is drawn takes a millisecond.
void TakeTime(SchedulerBench& bench) {
  bench.executor.draw = [&bench, draw = bench.executor.draw](const SequenceSpec& spec,
                                                             std::span<const int32_t> history) {
    bench.clock.Advance(kMillisecond);
    return draw(spec, history);
  };
}

TEST(SeveralStepsTest, AfterAMeasuredStepACallRunsAsManyAsTheExecutorCanAndTheJobNeeds) {
  SchedulerBench bench({.max_steps = 8});
  RecordingSink& sink = bench.NewSink();
  const Job job = GenerateJob(0, 20);
  bench.Submit(job, sink);
  bench.Run();
  EXPECT_THAT(StepsOfCalls(bench),
              ElementsAre(ElementsAre(1), ElementsAre(8), ElementsAre(8), ElementsAre(3)));
  EXPECT_OK(sink.status);
  EXPECT_EQ(sink.tokens(), ExpectedTokens(job));
  EXPECT_EQ(sink.samples[0].log_probs, ExpectedLogProbs({}, sink.tokens()));
}

TEST(SeveralStepsTest, ACallComesBackWithinTheLaunchLimit) {
  SchedulerBench bench({.max_steps = 8}, {.launch_limit = absl::Milliseconds(4)});
  TakeTime(bench);
  RecordingSink& sink = bench.NewSink();
  bench.Submit(GenerateJob(0, 11), sink);
  bench.Run();
  EXPECT_THAT(StepsOfCalls(bench),
              ElementsAre(ElementsAre(1), ElementsAre(4), ElementsAre(4), ElementsAre(2)));
}

TEST(SeveralStepsTest, EverySequenceHasItsOwnCount) {
  SchedulerBench bench({.max_steps = 8});
  RecordingSink& brief = bench.NewSink();
  RecordingSink& lengthy = bench.NewSink();
  bench.Submit(GenerateJob(0, 4), brief);
  bench.Submit(GenerateJob(0, 12), lengthy);
  bench.Run();
  EXPECT_THAT(StepsOfCalls(bench),
              ElementsAre(ElementsAre(1, 1), ElementsAre(3, 8), ElementsAre(3)));
  EXPECT_EQ(brief.tokens(), ExpectedTokens(GenerateJob(0, 4)));
  EXPECT_EQ(lengthy.tokens(), ExpectedTokens(GenerateJob(0, 12)));
}

TEST(SeveralStepsTest, ACallBringsNoMoreThanItsReaderHasRoomFor) {
  SchedulerBench bench({.max_steps = 8});
  RecordingSink& sink = bench.NewSink();
  sink.room_tokens = 7;
  Job job = GenerateJob(0, 9);
  job.samples = 2;
  bench.Submit(job, sink);
  bench.Run(2);
  EXPECT_THAT(StepsOfCalls(bench), ElementsAre(ElementsAre(1, 1), ElementsAre(3, 3)))
      << "two samples share the room";
  sink.room = false;
  EXPECT_FALSE(bench.scheduler->RunOneStep());
}

TEST(SeveralStepsTest, AJobThatComesDuringACallIsInTheNext) {
  SchedulerBench bench({.max_steps = 8});
  RecordingSink& first = bench.NewSink();
  RecordingSink& second = bench.NewSink();
  bench.Submit(GenerateJob(0, 30), first);
  bench.Run(2);
  bench.Submit(GenerateJob(3, 2), second);
  bench.Run(1);
  EXPECT_THAT(bench.executor.plans.back().rows, SizeIs(5));
  EXPECT_THAT(StepsOfCalls(bench).back(), Each(1)) << "beside a prompt";
  EXPECT_THAT(second.tokens(), SizeIs(1));
}

TEST(SeveralStepsTest, WherePromptsRunBesideStepsAStreamGoesOnAsLongAsAPromptTakes) {
  SchedulerBench bench({.max_rows = 8, .max_steps = 8, .prompts_beside_steps = true},
                       {.prefill_rows_per_step = 4});
  bench.executor.times_of_both = {.prompts = absl::Milliseconds(3), .steps = kMillisecond};
  RecordingSink& stream = bench.NewSink();
  RecordingSink& prompted = bench.NewSink();
  bench.Submit(GenerateJob(0, 60), stream);
  bench.Run(2);
  bench.Submit(GenerateJob(11, 2), prompted);
  bench.Run(3);
  EXPECT_THAT(StepsOfCalls(bench),
              ElementsAre(ElementsAre(1), ElementsAre(8), ElementsAre(1, 1, 1, 1, 1),
                          ElementsAre(3, 1, 1, 1, 1), ElementsAre(3, 1, 1, 1, 1)));
  EXPECT_EQ(prompted.tokens().size(), 1u) << "with the last of the prompt";
  bench.Run();
  EXPECT_EQ(stream.tokens(), ExpectedTokens(GenerateJob(0, 60)));
  EXPECT_EQ(prompted.tokens(), ExpectedTokens(GenerateJob(11, 2)));
}

TEST(SeveralStepsTest, AStreamWithoutAPromptHasItsFirstTokenAfterOneStep) {
  SchedulerBench bench({.max_steps = 8});
  RecordingSink& first = bench.NewSink();
  RecordingSink& second = bench.NewSink();
  bench.Submit(GenerateJob(0, 30), first);
  bench.Run(2);
  bench.Submit(GenerateJob(0, 20), second);
  bench.Run(2);
  EXPECT_THAT(StepsOfCalls(bench),
              ElementsAre(ElementsAre(1), ElementsAre(8), ElementsAre(1, 1), ElementsAre(8, 8)));
}

TEST(SeveralStepsTest, ACancelledJobIsGoneFromTheNextCall) {
  SchedulerBench bench({.max_steps = 8});
  RecordingSink& sink = bench.NewSink();
  const JobId id = bench.Submit(GenerateJob(0, 30), sink);
  bench.Run(2);
  bench.scheduler->Cancel(id, absl::CancelledError("enough"));
  bench.Run();
  EXPECT_THAT(sink.status, StatusIs(absl::StatusCode::kCancelled, "enough"));
  EXPECT_THAT(sink.tokens(), SizeIs(9));
  EXPECT_THAT(bench.executor.plans, SizeIs(2));
}

TEST(SeveralStepsTest, WhatIsDrawnBeyondAStopIsDroppedAndCounted) {
  SchedulerBench bench({.max_steps = 8});
  RecordingSink& sink = bench.NewSink();
  Job job = GenerateJob(0, 20);
  const std::vector<int32_t> drawn = ExpectedTokens(job);
  job.stop.sequences = {{drawn[3], drawn[4]}};
  bench.Submit(job, sink);
  bench.Run();
  EXPECT_OK(sink.status);
  EXPECT_EQ(sink.tokens(), std::vector<int32_t>(drawn.begin(), drawn.begin() + 3));
  EXPECT_EQ(sink.samples[0].end->reason, FinishReason::kStop);
  EXPECT_EQ(sink.samples[0].end->generated_tokens, 3);
  EXPECT_EQ(bench.metrics.generated_tokens, 5);
  EXPECT_EQ(bench.metrics.wasted_tokens, 4) << "of a call of 8 that began at token 1";
}

TEST(SeveralStepsTest, LogitsThatAreNotFiniteInTheMiddleOfACallEndTheirJobAlone) {
  SchedulerBench bench({.max_steps = 8});
  RecordingSink& broken = bench.NewSink();
  RecordingSink& sound = bench.NewSink();
  bench.executor.non_finite_position = 5;
  bench.Submit(GenerateJob(0, 20), broken);
  bench.Submit(GenerateJob(0, 4), sound);
  bench.Run();
  EXPECT_THAT(broken.status, StatusIs(absl::StatusCode::kInternal, HasSubstr("position 5")));
  EXPECT_EQ(ReasonOf(broken.status)->reason, "NON_FINITE_LOGITS");
  EXPECT_THAT(broken.tokens(), SizeIs(5));
  EXPECT_EQ(bench.metrics.non_finite_logits, 1);
  EXPECT_EQ(bench.metrics.wasted_tokens, 5) << "those that a failed job had drawn";
  EXPECT_OK(sound.status);
  EXPECT_TRUE(bench.scheduler->health().healthy);
}

TEST(SeveralStepsTest, TimesAreOfOneStepAndTheFirstTokenComesWithItsCall) {
  SchedulerBench bench({.max_steps = 4});
  TakeTime(bench);
  RecordingSink& sink = bench.NewSink();
  bench.Submit(GenerateJob(0, 7), sink);
  bench.Run();
  EXPECT_THAT(StepsOfCalls(bench), ElementsAre(ElementsAre(1), ElementsAre(4), ElementsAre(2)));
  EXPECT_THAT(bench.metrics.first_token_times, ElementsAre(kMillisecond));
  EXPECT_THAT(bench.metrics.inter_token_times, SizeIs(6));
  EXPECT_THAT(bench.metrics.inter_token_times, Each(kMillisecond));
  EXPECT_EQ(bench.metrics.steps[StepPhase::kDecode], 7);
  EXPECT_THAT(bench.metrics.step_times, Each(kMillisecond));
}

TEST(SeveralStepsTest, EveryStepIsCountedWithTheRowsThatItHad) {
  SchedulerBench bench({.max_steps = 4});
  bench.Submit(GenerateJob(0, 3), bench.NewSink());
  bench.Submit(GenerateJob(0, 5), bench.NewSink());
  bench.Run();
  EXPECT_THAT(bench.metrics.step_rows, ElementsAre(2, 2, 2, 1, 1));
}

// Jobs over few tokens, so that stops match, with all that a job can ask for.
class MixedJobs {
 public:
  explicit MixedJobs(unsigned seed) : random_(seed) {}

  Job Next() {
    Job job = GenerateJob(Draw(0, 9), Draw(1, 40));
    job.seed = static_cast<uint64_t>(Draw(0, 1000));
    job.priority = Draw(0, 2);
    job.samples = Draw(1, 3);
    job.top_logprobs = Draw(0, 3);
    job.echo_prompt = Draw(0, 3) == 0;
    job.stop.min_new_tokens = Draw(0, 5);
    job.stop.include_stop = Draw(0, 1) == 0;
    if (Draw(0, 2) == 0) job.stop.ids = {Draw(0, 9)};
    if (Draw(0, 1) == 0) job.stop.sequences = {{Draw(0, 3), Draw(0, 3), Draw(0, 3)}};
    return job;
  }
  int Draw(int least, int most) { return std::uniform_int_distribution(least, most)(random_); }

 private:
  std::mt19937 random_;
};

struct MixedRun {
  explicit MixedRun(int max_steps)
      : bench({.max_rows = 12,
               .max_steps = max_steps,
               .prompts_beside_steps = max_steps > 1,
               .max_slots = 5},
              {.prefill_rows_per_step = 4}) {
    bench.executor.times_of_both = {.prompts = absl::Milliseconds(4), .steps = kMillisecond};
    bench.executor.draw = [](const SequenceSpec& spec, std::span<const int32_t> history) {
      return FakeExecutor::HashedDraw(spec, history) % 4;
    };
  }
  // Jobs that come while others run, readers that stall.
  void RunAll(unsigned seed) {
    MixedJobs jobs(seed);
    for (int i = 0; i < 12; ++i) {
      RecordingSink& sink = bench.NewSink();
      sink.room_tokens = jobs.Draw(1, 20);
      bench.Submit(jobs.Next(), sink);
      bench.Run(jobs.Draw(0, 4));
      sink.room = jobs.Draw(0, 3) > 0;
      bench.Run(jobs.Draw(0, 4));
      sink.room = true;
    }
    bench.clock.Advance(absl::Milliseconds(50));
    bench.scheduler->Wake();
    bench.Run();
  }
  SchedulerBench bench;
};

void ExpectSame(const RecordedSample& a, const RecordedSample& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.positions, b.positions);
  EXPECT_EQ(a.log_probs, b.log_probs);
  EXPECT_EQ(a.top_ids, b.top_ids);
  EXPECT_EQ(a.top_values, b.top_values);
  ASSERT_TRUE(a.end.has_value() && b.end.has_value());
  EXPECT_EQ(a.end->reason, b.end->reason);
  EXPECT_EQ(a.end->matched_stop, b.end->matched_stop);
  EXPECT_EQ(a.end->generated_tokens, b.end->generated_tokens);
  EXPECT_EQ(a.end->sum_log_prob, b.end->sum_log_prob);
}

TEST(SeveralStepsTest, TheSameRequestIsPushedTheSameWhateverTheStepsOfACall) {
  int64_t wasted = 0;
  int preemptions = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MixedRun single(1);
    MixedRun several(8);
    single.RunAll(seed);
    several.RunAll(seed);
    auto other = several.bench.sinks.begin();
    for (std::vector<RecordingSink>& sinks : single.bench.sinks) {
      RecordingSink& a = sinks.front();
      RecordingSink& b = (other++)->front();
      EXPECT_OK(a.status);
      EXPECT_OK(b.status);
      ASSERT_EQ(a.samples.size(), b.samples.size());
      for (const auto& [index, sample] : a.samples) ExpectSame(sample, b.samples[index]);
    }
    if (testing::Test::HasFailure()) return;
    EXPECT_EQ(single.bench.metrics.wasted_tokens, 0);
    wasted += several.bench.metrics.wasted_tokens;
    preemptions += several.bench.metrics.preemptions;
  }
  EXPECT_GT(wasted, 100) << "the mix has lost its point";
  EXPECT_GT(preemptions, 100) << "the mix has lost its point";
}

}  // namespace
}  // namespace strided
