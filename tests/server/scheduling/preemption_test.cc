// Higher priorities take slots; what loses one goes on later as if nothing had happened.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/server/scheduling/scheduler_bench.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

Job WithPriority(Job job, int priority) {
  job.priority = priority;
  return job;
}

TEST(PreemptionTest, AHigherPriorityTakesASlotAndTheVictimIsReplayedToTheSameTokens) {
  SchedulerBench bench({.max_slots = 1});
  RecordingSink& low = bench.NewSink();
  RecordingSink& high = bench.NewSink();
  const Job victim = GenerateJob(4, 10);
  bench.Submit(victim, low);
  bench.Run(3);
  EXPECT_THAT(low.tokens(), SizeIs(3));
  bench.Submit(WithPriority(GenerateJob(2, 3), 1), high);
  bench.Run(3);
  EXPECT_OK(high.status);
  EXPECT_THAT(low.tokens(), SizeIs(3));
  bench.Run();
  EXPECT_OK(low.status);
  EXPECT_EQ(low.tokens(), ExpectedTokens(victim));
  EXPECT_EQ(low.samples[0].log_probs, ExpectedLogProbs(victim.prompt, low.tokens()));
  EXPECT_EQ(low.samples[0].end->sum_log_prob, Sum(low.samples[0].log_probs));
  EXPECT_EQ(low.summary.preemptions, 1);
  EXPECT_EQ(high.summary.preemptions, 0);
  EXPECT_EQ(bench.metrics.preemptions, 1);
  EXPECT_EQ(bench.metrics.replayed_tokens, 7) << "4 of the prompt and 3 rows that drew";
  EXPECT_EQ(bench.metrics.generated_tokens, 13) << "nothing is counted twice";
}

TEST(PreemptionTest, EqualPrioritiesNeverPreemptEachOther) {
  SchedulerBench bench({.max_slots = 1});
  RecordingSink& first = bench.NewSink();
  RecordingSink& second = bench.NewSink();
  bench.Submit(WithPriority(GenerateJob(0, 5), 1), first);
  bench.Submit(WithPriority(GenerateJob(0, 5), 1), second);
  bench.Run(5);
  EXPECT_OK(first.status);
  EXPECT_THAT(second.tokens(), IsEmpty());
  bench.Run();
  EXPECT_EQ(bench.metrics.preemptions, 0);
}

TEST(PreemptionTest, TheLowestPriorityThenTheLatestArrivalLosesItsSlotFirst) {
  SchedulerBench bench({.max_slots = 3});
  const std::span<RecordingSink> sinks = bench.NewSinks(3);
  RecordingSink& high = bench.NewSink();
  bench.Submit(WithPriority(GenerateJob(0, 20), 1), sinks[0]);
  bench.Submit(GenerateJob(0, 20), sinks[1]);
  bench.Submit(GenerateJob(0, 20), sinks[2]);
  bench.Run(1);
  bench.Submit(WithPriority(GenerateJob(0, 2), 2), high);
  bench.Run();
  EXPECT_EQ(sinks[0].summary.preemptions, 0);
  EXPECT_EQ(sinks[1].summary.preemptions, 0);
  EXPECT_EQ(sinks[2].summary.preemptions, 1);
}

TEST(PreemptionTest, NobodyIsPreemptedWhereThatWouldNotMakeRoomEnough) {
  SchedulerBench bench({.cache_capacity_bytes = 100});
  RecordingSink& equal = bench.NewSink();
  RecordingSink& low = bench.NewSink();
  RecordingSink& high = bench.NewSink();
  bench.Submit(WithPriority(GenerateJob(0, 60), 1), equal);
  bench.Submit(GenerateJob(0, 30), low);
  bench.Run(1);
  bench.Submit(WithPriority(GenerateJob(0, 50), 1), high);  // 60 + 50 > 100, whoever else goes
  bench.Run(5);
  EXPECT_THAT(low.tokens(), SizeIs(6));
  EXPECT_THAT(high.tokens(), IsEmpty());
  bench.Run();
  EXPECT_EQ(bench.metrics.preemptions, 0);
  EXPECT_OK(high.status);
}

TEST(PreemptionTest, AsManyAreTakenAsTheLargeSequenceNeeds) {
  SchedulerBench bench({.cache_capacity_bytes = 100});
  const std::span<RecordingSink> low = bench.NewSinks(4);
  RecordingSink& high = bench.NewSink();
  for (RecordingSink& sink : low) bench.Submit(GenerateJob(0, 25), sink);
  bench.Run(1);
  bench.Submit(WithPriority(GenerateJob(0, 50), 1), high);
  bench.Run(1);
  EXPECT_EQ(bench.metrics.preemptions, 2);
  bench.Run();
  for (RecordingSink& sink : low) EXPECT_EQ(sink.tokens(), ExpectedTokens(GenerateJob(0, 25)));
}

TEST(PreemptionTest, NoSmallerLaterJobOvertakesOneThatWaitsForRoom) {
  SchedulerBench bench({.cache_capacity_bytes = 100});
  RecordingSink& running = bench.NewSink();
  RecordingSink& large = bench.NewSink();
  RecordingSink& small = bench.NewSink();
  bench.Submit(GenerateJob(0, 60), running);
  bench.Submit(GenerateJob(0, 80), large);
  bench.Submit(GenerateJob(0, 10), small);
  bench.Run(30);
  EXPECT_THAT(small.tokens(), IsEmpty());
  bench.Run(31);
  EXPECT_THAT(large.tokens(), SizeIs(1));
  EXPECT_THAT(small.tokens(), SizeIs(1)) << "beside it there is room";
}

TEST(PreemptionTest, SamplesPreemptedDuringTheirPrefillStillDrawTheSame) {
  for (int steps = 1; steps < 12; ++steps) {
    SchedulerBench bench({.max_rows = 4, .max_slots = 3}, {.prefill_rows_per_step = 3});
    RecordingSink& low = bench.NewSink();
    RecordingSink& high = bench.NewSink();
    Job job = GenerateJob(10, 6);
    job.samples = 3;
    bench.Submit(job, low);
    bench.Run(steps);
    Job urgent = WithPriority(GenerateJob(3, 3), 5);
    urgent.samples = 2;
    bench.Submit(urgent, high);
    bench.Run();
    for (uint32_t i = 0; i < 3; ++i) {
      EXPECT_EQ(low.samples[i].tokens, ExpectedTokens(job, i)) << "sample " << i;
    }
    for (uint32_t i = 0; i < 2; ++i) {
      EXPECT_EQ(high.samples[i].tokens, ExpectedTokens(urgent, i)) << "sample " << i;
    }
  }
}

TEST(PreemptionTest, AScoreJobThatIsPreemptedPushesEachPositionOnce) {
  SchedulerBench bench({.max_rows = 4, .max_slots = 1}, {.prefill_rows_per_step = 3});
  RecordingSink& low = bench.NewSink();
  RecordingSink& high = bench.NewSink();
  const Job job = ScoreJob(20);
  bench.Submit(job, low);
  bench.Run(3);
  bench.Submit(WithPriority(GenerateJob(0, 2), 1), high);
  bench.Run();
  EXPECT_EQ(low.summary.preemptions, 1);
  EXPECT_EQ(low.tokens(), job.prompt);
  EXPECT_EQ(low.samples[0].log_probs, ExpectedLogProbs({}, job.prompt));
  EXPECT_EQ(low.samples[0].end->sum_log_prob, Sum(low.samples[0].log_probs));
}

TEST(PreemptionTest, AnEchoedPromptIsNotEchoedAgainByTheReplay) {
  SchedulerBench bench({.max_rows = 4, .max_slots = 1}, {.prefill_rows_per_step = 3});
  RecordingSink& low = bench.NewSink();
  RecordingSink& high = bench.NewSink();
  Job job = GenerateJob(12, 3);
  job.echo_prompt = true;
  bench.Submit(job, low);
  bench.Run(2);
  EXPECT_THAT(low.tokens(), SizeIs(6));
  bench.Submit(WithPriority(GenerateJob(0, 2), 1), high);
  bench.Run();
  EXPECT_EQ(low.summary.preemptions, 1);
  EXPECT_THAT(low.tokens(), SizeIs(15));
}

TEST(PreemptionTest, AResumedJobThatIsPreemptedScoresItsTokensOnce) {
  SchedulerBench bench({.max_rows = 4, .max_slots = 1}, {.prefill_rows_per_step = 3});
  RecordingSink& low = bench.NewSink();
  RecordingSink& high = bench.NewSink();
  Job job = GenerateJob(2, 12);
  const std::vector<int32_t> all = ExpectedTokens(job);
  job.resumed.assign(all.begin(), all.begin() + 8);
  bench.Submit(job, low);
  bench.Run(2);
  bench.Submit(WithPriority(GenerateJob(0, 2), 1), high);
  bench.Run();
  EXPECT_EQ(low.summary.preemptions, 1);
  EXPECT_EQ(low.tokens(), std::vector<int32_t>(all.begin() + 8, all.end()));
  EXPECT_EQ(low.samples[0].end->sum_log_prob, Sum(ExpectedLogProbs(job.prompt, all)));
}

}  // namespace
}  // namespace strided
