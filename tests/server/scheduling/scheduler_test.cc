// One job after the other: what is pushed, when it ends, what is counted.

#include "server/scheduling/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(SchedulerTest, AJobWithoutAPromptDrawsItsTokensFromPositionZero) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  const Job job = GenerateJob(0, 5);
  bench.Submit(job, sink);
  bench.Run();
  EXPECT_OK(sink.status);
  EXPECT_EQ(sink.tokens(), ExpectedTokens(job));
  EXPECT_THAT(sink.samples[0].positions, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(bench.executor.plans.size(), 5u);
}

TEST(SchedulerTest, TheTokenAfterAPromptIsDrawnInTheStepThatEndsThePrompt) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  const Job job = GenerateJob(6, 3);
  bench.Submit(job, sink);
  bench.Run(1);
  EXPECT_EQ(sink.tokens().size(), 1u);
  ASSERT_THAT(bench.executor.plans, SizeIs(1));
  const std::vector<StepRow>& rows = bench.executor.plans[0].rows;
  ASSERT_THAT(rows, SizeIs(7));
  EXPECT_EQ(rows[0].input, kStartInput);
  EXPECT_EQ(rows[6].input, job.prompt[5]);
  EXPECT_EQ(rows[5].output, RowOutput::kNone);
  EXPECT_EQ(rows[6].output, RowOutput::kSample);
  bench.Run();
  EXPECT_EQ(sink.tokens(), ExpectedTokens(job));
  EXPECT_THAT(sink.samples[0].positions, ElementsAre(6, 7, 8));
}

TEST(SchedulerTest, ALongPromptRunsInChunksBesideAStreamThatNeverWaits) {
  SchedulerBench bench({.max_rows = 8}, {.prefill_rows_per_step = 4});
  RecordingSink& stream = bench.NewSink();
  RecordingSink& prompted = bench.NewSink();
  bench.Submit(GenerateJob(0, 30), stream);
  bench.Run(1);
  const Job job = GenerateJob(41, 2);
  bench.Submit(job, prompted);
  for (size_t step = 2; step <= 11; ++step) {
    bench.Run(1);
    EXPECT_THAT(stream.tokens(), SizeIs(step));
    EXPECT_THAT(bench.executor.plans.back().rows, SizeIs(5)) << "at step " << step;
  }
  EXPECT_THAT(prompted.tokens(), IsEmpty());
  bench.Run(1);
  EXPECT_THAT(prompted.tokens(), SizeIs(1));
  bench.Run();
  EXPECT_EQ(prompted.tokens(), ExpectedTokens(job));
}

TEST(SchedulerTest, EachLengthReportsTheReasonThatTheJobNames) {
  for (const FinishReason reason :
       {FinishReason::kLength, FinishReason::kEndOfSequence, FinishReason::kContextFull}) {
    SchedulerBench bench;
    RecordingSink& sink = bench.NewSink();
    Job job = GenerateJob(2, 3);
    job.stop.full_length_reason = reason;
    bench.Submit(job, sink);
    bench.Run();
    ASSERT_TRUE(sink.samples[0].end.has_value());
    EXPECT_EQ(sink.samples[0].end->reason, reason);
    EXPECT_EQ(sink.samples[0].end->generated_tokens, 3);
    EXPECT_EQ(sink.samples[0].end->sum_log_prob, Sum(sink.samples[0].log_probs));
    EXPECT_EQ(sink.samples[0].log_probs, ExpectedLogProbs(job.prompt, sink.tokens()));
  }
}

TEST(SchedulerTest, TokensComeWithTheirAlternatives) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  Job job = GenerateJob(1, 2);
  job.top_logprobs = 3;
  bench.Submit(job, sink);
  bench.Run();
  EXPECT_THAT(sink.samples[0].top_ids, Each(ElementsAre(0, 1, 2)));
  ASSERT_THAT(sink.samples[0].top_values, SizeIs(2));
  EXPECT_EQ(sink.samples[0].top_values[0][2], FakeExecutor::LogProb(job.prompt, 2));
}

TEST(SchedulerTest, AScoreJobPushesEveryPositionFromItsFirstOn) {
  SchedulerBench bench({.max_rows = 4}, {.prefill_rows_per_step = 3});
  RecordingSink& sink = bench.NewSink();
  Job job = ScoreJob(11);
  job.score_from = 4;
  job.top_logprobs = 2;
  bench.Submit(job, sink);
  bench.Run();
  EXPECT_OK(sink.status);
  RecordedSample& scored = sink.samples[0];
  EXPECT_THAT(scored.positions, ElementsAre(4, 5, 6, 7, 8, 9, 10));
  EXPECT_EQ(scored.tokens, std::vector<int32_t>(job.prompt.begin() + 4, job.prompt.end()));
  EXPECT_EQ(scored.log_probs,
            ExpectedLogProbs({job.prompt.begin(), job.prompt.begin() + 4}, scored.tokens));
  EXPECT_THAT(scored.top_ids, Each(ElementsAre(0, 1)));
  ASSERT_TRUE(scored.end.has_value());
  EXPECT_EQ(scored.end->generated_tokens, 7);
  EXPECT_EQ(scored.end->sum_log_prob, Sum(scored.log_probs));
  for (const StepPlan& plan : bench.executor.plans) EXPECT_LE(plan.rows.size(), 3u);
}

TEST(SchedulerTest, AnEchoedPromptComesFirstWithItsLogProbs) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  Job job = GenerateJob(4, 2);
  job.echo_prompt = true;
  bench.Submit(job, sink);
  bench.Run();
  std::vector<int32_t> all = job.prompt;
  for (const int32_t token : ExpectedTokens(job)) all.push_back(token);
  EXPECT_EQ(sink.tokens(), all);
  EXPECT_EQ(sink.samples[0].log_probs, ExpectedLogProbs({}, all));
  EXPECT_EQ(sink.samples[0].end->generated_tokens, 2);
}

TEST(SchedulerTest, AnEchoWithoutLogProbsScoresNothing) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  Job job = GenerateJob(4, 2);
  job.echo_prompt = true;
  job.top_logprobs.reset();
  bench.Submit(job, sink);
  bench.Run();
  EXPECT_THAT(sink.tokens(), SizeIs(6));
  for (const StepPlan& plan : bench.executor.plans) {
    for (const StepRow& row : plan.rows) EXPECT_NE(row.output, RowOutput::kScore);
  }
}

TEST(SchedulerTest, EverySampleOfAnEchoedPromptGetsTheEcho) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  Job job = GenerateJob(3, 2);
  job.echo_prompt = true;
  job.samples = 3;
  bench.Submit(job, sink);
  bench.Run();
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_THAT(sink.samples[i].positions, ElementsAre(0, 1, 2, 3, 4)) << "sample " << i;
  }
}

TEST(SchedulerTest, ASoftTimeLimitEndsRunningAndWaitingJobsWell) {
  SchedulerBench bench({.max_slots = 1});
  RecordingSink& running = bench.NewSink();
  RecordingSink& waiting = bench.NewSink();
  Job job = GenerateJob(2, 100);
  job.time_limit = bench.clock.Now() + absl::Seconds(1);
  bench.Submit(job, running);
  bench.Submit(job, waiting);
  bench.Run(3);
  bench.clock.Advance(absl::Seconds(1));
  bench.Run();
  EXPECT_OK(running.status);
  EXPECT_EQ(running.samples[0].end->reason, FinishReason::kTimeLimit);
  EXPECT_EQ(running.samples[0].end->generated_tokens, 3);
  EXPECT_OK(waiting.status);
  EXPECT_EQ(waiting.samples[0].end->reason, FinishReason::kTimeLimit);
  EXPECT_EQ(waiting.samples[0].end->generated_tokens, 0);
}

TEST(SchedulerTest, CancelEndsAJobAtEveryStageAndFreesItsSlots) {
  for (int steps = 0; steps < 8; ++steps) {
    SchedulerBench bench({.max_rows = 4}, {.prefill_rows_per_step = 4});
    RecordingSink& sink = bench.NewSink();
    Job job = GenerateJob(10, 20);
    job.samples = 3;
    const JobId id = bench.Submit(job, sink);
    bench.Run(steps);
    bench.scheduler->Cancel(id, absl::DeadlineExceededError("too late"));
    bench.clock.Advance(absl::Milliseconds(3));
    bench.Run(1);
    EXPECT_THAT(sink.status, StatusIs(absl::StatusCode::kDeadlineExceeded, "too late"));
    EXPECT_EQ(bench.executor.live_slots(), 0) << "after " << steps << " steps";
    EXPECT_THAT(bench.metrics.cancel_to_free, ElementsAre(absl::Milliseconds(3)));
  }
}

TEST(SchedulerTest, CancellingAJobThatHasEndedOrNeverWasDoesNothing) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  const JobId id = bench.Submit(GenerateJob(0, 1), sink);
  bench.Run();
  bench.scheduler->Cancel(id, absl::CancelledError());
  bench.scheduler->Cancel(id + 1, absl::CancelledError());
  bench.Run();
  EXPECT_OK(sink.status);
  EXPECT_THAT(bench.metrics.cancel_to_free, IsEmpty());
}

TEST(SchedulerTest, AJobCancelledBeforeItsFirstStepNeverRuns) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  bench.scheduler->Cancel(bench.Submit(GenerateJob(0, 1), sink), absl::CancelledError("gone"));
  bench.Run();
  EXPECT_THAT(sink.status, StatusIs(absl::StatusCode::kCancelled, "gone"));
  EXPECT_THAT(bench.executor.plans, IsEmpty());
}

TEST(SchedulerTest, DestructionCancelsWhatRunsWaitsAndWasJustSubmitted) {
  SchedulerBench bench({.max_slots = 1});
  RecordingSink& running = bench.NewSink();
  RecordingSink& waiting = bench.NewSink();
  RecordingSink& submitted = bench.NewSink();
  bench.Submit(GenerateJob(0, 100), running);
  bench.Submit(GenerateJob(0, 100), waiting);
  bench.Run(2);
  bench.Submit(GenerateJob(0, 100), submitted);
  bench.scheduler.reset();
  for (const RecordingSink* sink : {&running, &waiting, &submitted}) {
    EXPECT_THAT(sink->status, StatusIs(absl::StatusCode::kCancelled));
  }
}

TEST(SchedulerTest, APlaceIsFreeBeforeItsJobsEndIsSeen) {
  SchedulerBench bench;
  const Job too_long = GenerateJob(0, FakeExecutor::kContextLength + 1);
  Job late = GenerateJob(0, 5);
  late.time_limit = bench.clock.Now();
  for (const Job& job : {GenerateJob(0, 5), ScoreJob(4), too_long, late}) {
    RecordingSink& sink = bench.NewSink();
    int held_at_the_end = -1;
    sink.on_finish = [&] { held_at_the_end = bench.admission.tickets_out(); };
    bench.Submit(job, sink);
    EXPECT_EQ(bench.admission.tickets_out(), 1);
    bench.Run();
    EXPECT_EQ(held_at_the_end, 0);
  }
}

TEST(SchedulerTest, AFailedStepEndsAllJobsAndTheEngineIsUnhealthyForGood) {
  SchedulerBench bench({.max_slots = 1});
  RecordingSink& running = bench.NewSink();
  RecordingSink& waiting = bench.NewSink();
  RecordingSink& late = bench.NewSink();
  bench.Submit(GenerateJob(0, 100), running);
  bench.Submit(GenerateJob(0, 100), waiting);
  bench.Run(2);
  EXPECT_TRUE(bench.metrics.healthy);
  EXPECT_TRUE(bench.scheduler->health().healthy);
  bench.executor.next_run_fails = absl::InternalError("a fuse");
  bench.Run(1);
  bench.Submit(GenerateJob(0, 100), late);
  bench.Run();
  EXPECT_THAT(running.status, StatusIs(absl::StatusCode::kInternal, HasSubstr("a fuse")));
  EXPECT_THAT(waiting.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(late.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(ReasonOf(running.status)->reason, "ENGINE_ERROR");
  EXPECT_EQ(ReasonOf(late.status)->reason, "ENGINE_ERROR");
  EXPECT_FALSE(bench.metrics.healthy);
  EXPECT_FALSE(bench.scheduler->health().healthy);
  EXPECT_EQ(bench.metrics.wasted_tokens, 2);
}

TEST(SchedulerTest, ADeviceThatFailsInAStartOrAForkIsAFailedEngine) {
  for (const int samples : {1, 2}) {  // the second is forked
    SchedulerBench bench;
    RecordingSink& running = bench.NewSink();
    RecordingSink& starting = bench.NewSink();
    RecordingSink& behind = bench.NewSink();
    RecordingSink& late = bench.NewSink();
    bench.Submit(GenerateJob(0, 100), running);
    Job job = GenerateJob(3, 5);
    job.samples = samples;
    if (samples == 1) {
      bench.Run(1);
      bench.executor.next_start_fails = absl::InternalError("a lost device");
    }
    bench.Submit(job, starting);
    if (samples == 2) {
      bench.Run(1);  // runs the prompt
      bench.executor.next_start_fails = absl::InternalError("a lost device");
    }
    bench.Submit(GenerateJob(0, 2), behind);
    bench.Run(1);
    bench.Submit(GenerateJob(0, 100), late);
    bench.Run();
    EXPECT_THAT(running.status, StatusIs(absl::StatusCode::kInternal, HasSubstr("a lost device")));
    EXPECT_THAT(starting.status, StatusIs(samples == 1 ? absl::StatusCode::kUnavailable
                                                       : absl::StatusCode::kInternal))
        << "what has run nothing may be tried elsewhere";
    EXPECT_THAT(behind.status, StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(late.status, StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_EQ(ReasonOf(starting.status)->reason, "ENGINE_ERROR");
    EXPECT_FALSE(bench.metrics.healthy);
    EXPECT_FALSE(bench.scheduler->health().healthy);
  }
}

TEST(SchedulerTest, NonFiniteLogitsEndTheirJobAlone) {
  SchedulerBench bench;
  RecordingSink& broken = bench.NewSink();
  RecordingSink& sound = bench.NewSink();
  bench.executor.non_finite_position = 5;
  Job job = GenerateJob(2, 10);
  job.samples = 2;
  bench.Submit(job, broken);
  bench.Submit(GenerateJob(0, 4), sound);
  bench.Run();
  EXPECT_THAT(broken.status, StatusIs(absl::StatusCode::kInternal, HasSubstr("position 5")));
  EXPECT_EQ(ReasonOf(broken.status)->reason, "NON_FINITE_LOGITS");
  EXPECT_EQ(bench.metrics.non_finite_logits, 1);
  EXPECT_OK(sound.status);
  EXPECT_TRUE(bench.scheduler->health().healthy);
}

TEST(SchedulerTest, AJobThatTheExecutorRefusesEndsWithItsError) {
  SchedulerBench bench;
  RecordingSink& refused = bench.NewSink();
  RecordingSink& next = bench.NewSink();
  bench.executor.next_start_fails = absl::InvalidArgumentError("no such condition");
  bench.Submit(GenerateJob(0, 3), refused);
  bench.Submit(GenerateJob(0, 3), next);
  bench.Run();
  EXPECT_THAT(refused.status, StatusIs(absl::StatusCode::kInvalidArgument, "no such condition"));
  EXPECT_OK(next.status);
}

TEST(SchedulerTest, AJobForWhichThereIsNoRoomAlthoughNothingRunsDoesNotWaitForEver) {
  SchedulerBench bench({.max_slots = 0});
  RecordingSink& sink = bench.NewSink();
  bench.Submit(GenerateJob(0, 3), sink);
  bench.Run();
  EXPECT_THAT(sink.status, StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(SchedulerTest, AJobThatCanNeverFitIsRefusedWithTheLimit) {
  SchedulerBench bench({.cache_capacity_bytes = 100});
  RecordingSink& too_long = bench.NewSink();
  RecordingSink& too_large = bench.NewSink();
  RecordingSink& empty = bench.NewSink();
  RecordingSink& overfull = bench.NewSink();
  bench.Submit(GenerateJob(2, FakeExecutor::kContextLength - 1), too_long);
  bench.Submit(GenerateJob(50, 51), too_large);
  bench.Submit(ScoreJob(0), empty);
  Job job = GenerateJob(2, 3);
  job.resumed = {1, 2, 3, 4};
  bench.Submit(job, overfull);
  bench.Run();
  EXPECT_THAT(too_long.status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 1000")));
  EXPECT_EQ(ReasonOf(too_long.status)->reason, "CONTEXT_LENGTH_EXCEEDED");
  EXPECT_THAT(too_large.status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the device has 100")));
  EXPECT_THAT(empty.status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(overfull.status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(bench.executor.plans, IsEmpty());
}

TEST(SchedulerTest, TheSummaryAndTheMetricsTellTheSameTimes) {
  SchedulerBench bench({.max_rows = 8, .max_slots = 1}, {.prefill_rows_per_step = 8});
  RecordingSink& first = bench.NewSink();
  RecordingSink& second = bench.NewSink();
  bench.Submit(GenerateJob(0, 2), first);
  bench.Submit(GenerateJob(12, 3), second);
  for (int step = 0; step < 6; ++step) {
    bench.Run(1);
    bench.clock.Advance(absl::Seconds(1));
  }
  // The first runs at 0 s and 1 s, the second from 2 s: half of its prompt, then the other half and
  // a token, then two more.
  EXPECT_OK(second.status);
  EXPECT_EQ(second.summary.prompt_tokens, 12);
  EXPECT_EQ(second.summary.generated_tokens, 3);
  EXPECT_EQ(second.summary.queue_time, absl::Seconds(2));
  EXPECT_EQ(second.summary.prefill_time, absl::Seconds(1));
  EXPECT_EQ(second.summary.time_to_first_token, absl::Seconds(3));
  EXPECT_EQ(second.summary.decode_time, absl::Seconds(2));
  const CountingModelMetrics& metrics = bench.metrics;
  EXPECT_THAT(metrics.queue_times, ElementsAre(absl::ZeroDuration(), absl::Seconds(2)));
  EXPECT_THAT(metrics.prefill_times, ElementsAre(absl::ZeroDuration(), absl::Seconds(1)));
  EXPECT_THAT(metrics.decode_times, ElementsAre(absl::Seconds(1), absl::Seconds(2)));
  EXPECT_THAT(metrics.first_token_times, ElementsAre(absl::ZeroDuration(), absl::Seconds(3)));
  EXPECT_THAT(metrics.inter_token_times,
              ElementsAre(absl::Seconds(1), absl::Seconds(1), absl::Seconds(1)));
  EXPECT_EQ(metrics.prompt_tokens, 12);
  EXPECT_EQ(metrics.generated_tokens, 5);
  EXPECT_EQ(metrics.wasted_tokens, 0);
}

TEST(SchedulerTest, GaugesFollowWhatRunsAndWaits) {
  SchedulerBench bench({.max_slots = 2, .cache_capacity_bytes = 100});
  RecordingSink& first = bench.NewSink();
  RecordingSink& second = bench.NewSink();
  EXPECT_EQ(bench.metrics.slots_total, 16) << "no more than the executor has rows";
  Job job = GenerateJob(0, 10);
  job.samples = 2;
  bench.Submit(job, first);
  bench.Submit(job, second);
  bench.Run(1);
  EXPECT_EQ(bench.metrics.requests_running, 1);
  EXPECT_EQ(bench.metrics.requests_waiting[WaitReason::kCapacity], 1);
  EXPECT_EQ(bench.metrics.sequences_running, 2);
  EXPECT_EQ(bench.metrics.cache_bytes[CacheState::kUsed], 20);
  EXPECT_EQ(bench.metrics.cache_bytes[CacheState::kFree], 80);
  bench.Run();
  EXPECT_EQ(bench.metrics.requests_running, 0);
  EXPECT_EQ(bench.metrics.requests_waiting[WaitReason::kCapacity], 0);
  EXPECT_EQ(bench.metrics.sequences_running, 0);
  EXPECT_EQ(bench.metrics.cache_bytes[CacheState::kUsed], 0);
}

TEST(SchedulerTest, GaugesCountAJobBeforeItsFirstStepHasRun) {
  SchedulerBench bench;
  int during = 0;
  bench.executor.draw = [&](const SequenceSpec& spec, std::span<const int32_t> history) {
    during = bench.metrics.sequences_running;
    return FakeExecutor::HashedDraw(spec, history);
  };
  bench.Submit(GenerateJob(0, 1), bench.NewSink());
  bench.Run();
  EXPECT_EQ(during, 1);
  EXPECT_EQ(bench.metrics.sequences_running, 0);
}

TEST(SchedulerTest, AWatchdogSeesWhenTheStepThatRunsBegan) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  SchedulerHealth during;
  bench.executor.draw = [&](const SequenceSpec& spec, std::span<const int32_t> history) {
    during = bench.scheduler->health();
    return FakeExecutor::HashedDraw(spec, history);
  };
  bench.clock.Advance(absl::Seconds(9));
  bench.Submit(GenerateJob(0, 1), sink);
  EXPECT_EQ(bench.scheduler->health().step_started, absl::InfinitePast());
  bench.Run();
  EXPECT_EQ(during.step_started, bench.clock.Now());
  EXPECT_EQ(bench.scheduler->health().step_started, absl::InfinitePast());
  EXPECT_EQ(bench.metrics.last_step, bench.clock.Now());
}

TEST(SchedulerTest, AWatchdogSeesAStartOrAForkThatDoesNotEnd) {
  SchedulerBench bench;
  std::vector<absl::Time> during;
  bench.executor.while_placing = [&] { during.push_back(bench.scheduler->health().step_started); };
  bench.clock.Advance(absl::Seconds(9));
  Job job = GenerateJob(2, 1);
  job.samples = 2;
  bench.Submit(job, bench.NewSink());
  bench.Run();
  EXPECT_EQ(bench.executor.starts, 1);
  EXPECT_EQ(bench.executor.forks, 1);
  EXPECT_THAT(during, ElementsAre(bench.clock.Now(), bench.clock.Now()));
  EXPECT_EQ(bench.scheduler->health().step_started, absl::InfinitePast());
}

TEST(SchedulerTest, AnIdleSchedulerHasNothingToDo) {
  SchedulerBench bench;
  EXPECT_FALSE(bench.scheduler->RunOneStep());
}

}  // namespace
}  // namespace strided
