// What a call of the executor brings goes to the sinks beside the next one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/scheduling/outbox.h"
#include "tests/server/scheduling/scheduler_bench.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(BesideTest, WhatACallBringsIsPushedWhileTheNextOneRuns) {
  std::vector<bool> beside;  // outlives the bench, whose end pushes the rest
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  sink.on_push = [&] { beside.push_back(bench.executor.works_beside); };
  bench.Submit(GenerateJob(0, 3), sink);
  bench.scheduler->RunOneStepAhead();
  EXPECT_THAT(sink.tokens(), IsEmpty());
  bench.scheduler->RunOneStepAhead();
  EXPECT_THAT(sink.tokens(), SizeIs(1));
  bench.scheduler->RunOneStepAhead();
  EXPECT_THAT(beside, ElementsAre(true, true));
}

TEST(BesideTest, TheLastCallIsPushedAndTheEndToldWhenNothingIsLeftToRun) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  const Job job = GenerateJob(0, 3);
  bench.Submit(job, sink);
  for (int step = 0; step < 3; ++step) EXPECT_TRUE(bench.scheduler->RunOneStepAhead());
  EXPECT_EQ(bench.executor.live_slots(), 0) << "the slot waits for nobody";
  EXPECT_EQ(sink.finishes, 0);
  EXPECT_TRUE(bench.scheduler->RunOneStepAhead());
  EXPECT_OK(sink.status);
  EXPECT_EQ(sink.tokens(), ExpectedTokens(job));
  EXPECT_FALSE(bench.scheduler->RunOneStepAhead());
}

TEST(BesideTest, AJobThatIsCancelledIsPushedWhatItHadDrawnBeforeItsEnd) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  const JobId id = bench.Submit(GenerateJob(0, 10), sink);
  bench.scheduler->RunOneStepAhead();
  bench.scheduler->RunOneStepAhead();
  bench.scheduler->Cancel(id, absl::CancelledError("enough"));
  bench.scheduler->RunOneStepAhead();
  EXPECT_THAT(sink.status, StatusIs(absl::StatusCode::kCancelled, "enough"));
  EXPECT_THAT(sink.tokens(), SizeIs(2));
}

TEST(BesideTest, ACallThatFailsTakesNothingFromTheOneBefore) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  bench.Submit(GenerateJob(0, 10), sink);
  bench.scheduler->RunOneStepAhead();
  bench.executor.next_run_fails = absl::InternalError("a fuse");
  bench.scheduler->RunOneStepAhead();
  bench.scheduler->RunOneStepAhead();
  EXPECT_THAT(sink.status, StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(sink.tokens(), SizeIs(1));
}

TEST(BesideTest, AJobThatLosesItsSlotIsPushedWhatItHadDrawn) {
  SchedulerBench bench({.max_slots = 1}, {.max_sequences = 1});
  RecordingSink& low = bench.NewSink();
  RecordingSink& high = bench.NewSink();
  const Job job = GenerateJob(0, 5);
  bench.Submit(job, low);
  bench.scheduler->RunOneStepAhead();
  Job urgent = GenerateJob(0, 2);
  urgent.priority = 1;
  bench.Submit(urgent, high);
  bench.scheduler->RunOneStepAhead();
  EXPECT_EQ(bench.metrics.preemptions, 1);
  EXPECT_THAT(low.tokens(), SizeIs(1));
  bench.Run();
  EXPECT_EQ(low.tokens(), ExpectedTokens(job));
}

TEST(BesideTest, WhatIsStillToBePushedTakesTheReadersRoom) {
  SchedulerBench bench({.max_steps = 8});
  RecordingSink& sink = bench.NewSink();
  sink.room_tokens = 6;
  bench.Submit(GenerateJob(0, 20), sink);
  for (int step = 0; step < 2; ++step) bench.scheduler->RunOneStepAhead();
  EXPECT_EQ(bench.executor.plans[1].rows[0].steps, 5);
}

TEST(OutboxTest, TokensAndEndsGoInTheOrderInWhichTheyCame) {
  RecordingSink sink;
  Outbox outbox;
  const std::vector<int32_t> ids = {4, 5};
  const std::vector<float> values = {-1, -2};
  outbox.Push({.sample_index = 0, .token = 1, .top_ids = {}, .top_values = {}});
  outbox.Push({.sample_index = 1, .token = 2, .top_ids = ids, .top_values = values});
  outbox.FinishSample({.sample_index = 0, .matched_stop = {}});
  outbox.Push({.sample_index = 1, .position = 1, .token = 3, .top_ids = ids, .top_values = values});
  EXPECT_EQ(outbox.tokens(), 3u);
  outbox.SendTo(&sink);
  EXPECT_TRUE(outbox.empty());
  EXPECT_THAT(sink.samples[0].tokens, ElementsAre(1));
  EXPECT_TRUE(sink.samples[0].end.has_value());
  EXPECT_THAT(sink.samples[1].tokens, ElementsAre(2, 3));
  EXPECT_THAT(sink.samples[1].top_ids, ElementsAre(Eq(ids), Eq(ids)));
  EXPECT_THAT(sink.samples[1].top_values, ElementsAre(Eq(values), Eq(values)));
}

}  // namespace
}  // namespace strided
