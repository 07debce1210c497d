// Several samples of one prompt: one prefill, forks, and what happens where slots are short.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/server/scheduling/scheduler_bench.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Job SamplesJob(int samples, int prompt_tokens, int new_tokens) {
  Job job = GenerateJob(prompt_tokens, new_tokens);
  job.samples = samples;
  return job;
}

void ExpectAllSamples(const Job& job, RecordingSink& sink) {
  EXPECT_OK(sink.status);
  for (int i = 0; i < job.samples; ++i) {
    const auto index = static_cast<uint32_t>(i);
    EXPECT_EQ(sink.samples[index].tokens, ExpectedTokens(job, index)) << "sample " << index;
    EXPECT_TRUE(sink.samples[index].end.has_value()) << "sample " << index;
  }
}

// Rows of the prompt that the executor ran: the price of prefills.
int PromptRows(const FakeExecutor& executor, int prompt_tokens) {
  int rows = 0;
  for (const StepPlan& plan : executor.plans) {
    for (const StepRow& row : plan.rows) rows += row.position < prompt_tokens ? 1 : 0;
  }
  return rows;
}

TEST(SamplesTest, SamplesShareOnePrefillAndEachDrawsItsOwnFirstToken) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  const Job job = SamplesJob(4, 9, 5);
  bench.Submit(job, sink);
  bench.Run();
  ExpectAllSamples(job, sink);
  EXPECT_EQ(PromptRows(bench.executor, 9), 9);
  EXPECT_EQ(bench.executor.starts, 1);
  EXPECT_EQ(bench.executor.forks, 3);
  EXPECT_NE(sink.samples[0].tokens, sink.samples[1].tokens);
}

TEST(SamplesTest, SamplesWithoutAPromptStartByThemselves) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  const Job job = SamplesJob(3, 0, 5);
  bench.Submit(job, sink);
  bench.Run();
  ExpectAllSamples(job, sink);
  EXPECT_EQ(bench.executor.forks, 0);
  EXPECT_THAT(bench.executor.plans, SizeIs(5)) << "all at once";
}

TEST(SamplesTest, WithTwoSlotsThePromptIsHeldForLaterSamples) {
  SchedulerBench bench({.max_slots = 2});
  RecordingSink& sink = bench.NewSink();
  const Job job = SamplesJob(5, 9, 4);
  bench.Submit(job, sink);
  bench.Run();
  ExpectAllSamples(job, sink);
  EXPECT_EQ(PromptRows(bench.executor, 9), 9) << "one prefill for all five";
}

TEST(SamplesTest, WithOneSlotEverySamplePrefillsByItself) {
  SchedulerBench bench({.max_slots = 1});
  RecordingSink& sink = bench.NewSink();
  const Job job = SamplesJob(3, 9, 4);
  bench.Submit(job, sink);
  bench.Run();
  ExpectAllSamples(job, sink);
  EXPECT_EQ(PromptRows(bench.executor, 9), 27);
}

TEST(SamplesTest, JobsThatEachHoldAPromptNeverWaitForEachOther) {
  for (int slots = 1; slots <= 7; ++slots) {
    SchedulerBench bench({.max_slots = slots});
    const std::span<RecordingSink> sinks = bench.NewSinks(4);
    const Job job = SamplesJob(4, 5, 6);
    for (RecordingSink& sink : sinks) bench.Submit(job, sink);
    bench.Run();
    for (RecordingSink& sink : sinks) ExpectAllSamples(job, sink);
  }
}

TEST(SamplesTest, CacheBytesLimitSamplesLikeSlots) {
  SchedulerBench bench({.cache_capacity_bytes = 35});
  RecordingSink& sink = bench.NewSink();
  const Job job = SamplesJob(4, 5, 7);  // 12 bytes each
  bench.Submit(job, sink);
  for (int step = 0; step < 100; ++step) {
    bench.Run(1);
    EXPECT_LE(bench.executor.live_slots(), 2);
  }
  ExpectAllSamples(job, sink);
}

TEST(SamplesTest, RoomIsKeptForSamplesThatWaitForTheirPrompt) {
  SchedulerBench bench({.max_rows = 4, .max_slots = 100},
                       {.max_sequences = 4, .prefill_rows_per_step = 4});
  RecordingSink& prompted = bench.NewSink();
  RecordingSink& late = bench.NewSink();
  const Job job = SamplesJob(3, 20, 2);
  bench.Submit(job, prompted);
  bench.Run(1);
  bench.Submit(SamplesJob(2, 0, 50), late);
  bench.Run(1);
  EXPECT_EQ(bench.executor.live_slots(), 2) << "one of four slots goes to the late job";
  bench.Run();
  ExpectAllSamples(job, prompted);
  EXPECT_EQ(bench.executor.forks, 2);
  EXPECT_OK(late.status);
}

TEST(SamplesTest, AnEndedSampleGivesItsSlotToTheNextInTheSameJob) {
  SchedulerBench bench({.max_slots = 2});
  RecordingSink& sink = bench.NewSink();
  bench.executor.draw = [](const SequenceSpec& spec, std::span<const int32_t>) {
    return spec.sample_index == 0 ? 1 : 2;
  };
  Job job = SamplesJob(3, 0, 5);
  job.stop.ids = {1};  // sample 0 ends with its first token
  bench.Submit(job, sink);
  bench.Run();
  EXPECT_THAT(sink.samples[0].tokens, IsEmpty());
  EXPECT_EQ(sink.samples[0].end->reason, FinishReason::kStop);
  EXPECT_THAT(sink.samples[2].tokens, ElementsAre(2, 2, 2, 2, 2));
  EXPECT_THAT(bench.executor.plans, SizeIs(6));
}

TEST(SamplesTest, AResumedSampleKeepsItsIndexAndGoesOnWithTheSameTokens) {
  Job job = GenerateJob(4, 8);
  job.first_sample_index = 2;
  const std::vector<int32_t> all = ExpectedTokens(job, 2);
  for (size_t cut = 0; cut <= all.size(); ++cut) {
    SchedulerBench bench({.max_rows = 5}, {.prefill_rows_per_step = 5});
    RecordingSink& sink = bench.NewSink();
    job.resumed.assign(all.begin(), all.begin() + static_cast<int>(cut));
    bench.Submit(job, sink);
    bench.Run();
    const RecordedSample& sample = sink.samples[2];
    EXPECT_EQ(sample.tokens, std::vector<int32_t>(all.begin() + static_cast<int>(cut), all.end()))
        << "cut at " << cut;
    EXPECT_EQ(sample.end->generated_tokens, 8);
    EXPECT_EQ(sample.end->sum_log_prob, Sum(ExpectedLogProbs(job.prompt, all)));
  }
}

}  // namespace
}  // namespace strided
