// Readers that are behind, and what jobs are told while they wait.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "engine/base/error_detail.h"
#include "tests/server/scheduling/scheduler_bench.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kScan = absl::Milliseconds(50);

TEST(PauseTest, ASinkWithoutRoomLeavesItsJobOutOfStepsAndOthersGoOn) {
  SchedulerBench bench;
  RecordingSink& slow = bench.NewSink();
  RecordingSink& fast = bench.NewSink();
  Job job = GenerateJob(0, 10);
  bench.Submit(job, slow);
  bench.Submit(job, fast);
  bench.Run(2);
  slow.room = false;
  bench.Run(3);
  EXPECT_THAT(slow.tokens(), SizeIs(2));
  EXPECT_THAT(fast.tokens(), SizeIs(5));
  EXPECT_EQ(bench.metrics.streams_paused, 1);
  EXPECT_EQ(bench.metrics.sequences_running, 2) << "it keeps its slot";
  slow.room = true;
  bench.scheduler->Wake();
  bench.Run();
  EXPECT_EQ(slow.tokens(), ExpectedTokens(job));
  EXPECT_EQ(bench.metrics.streams_paused, 0);
}

TEST(PauseTest, APausedJobIsNothingToDo) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  bench.Submit(GenerateJob(0, 10), sink);
  bench.Run(1);
  sink.room = false;
  EXPECT_FALSE(bench.scheduler->RunOneStep());
}

TEST(PauseTest, TheSlotsOfASlowReaderGoToOthersAndItIsReplayedOnceItHasRoom) {
  SchedulerBench bench({.max_slots = 1}, {.paused_slot_limit = absl::Seconds(30)});
  RecordingSink& slow = bench.NewSink();
  RecordingSink& next = bench.NewSink();
  const Job job = GenerateJob(3, 10);
  bench.Submit(job, slow);
  bench.Submit(GenerateJob(0, 2), next);
  bench.Run(4);
  slow.room = false;
  bench.Run(1);
  bench.clock.Advance(absl::Seconds(29));
  bench.Run();
  EXPECT_EQ(bench.executor.live_slots(), 1);
  EXPECT_THAT(next.tokens(), IsEmpty());
  bench.clock.Advance(absl::Seconds(1));
  bench.Run();
  EXPECT_OK(next.status);
  EXPECT_EQ(bench.executor.live_slots(), 0);
  EXPECT_EQ(bench.metrics.preemptions, 1);
  bench.clock.Advance(kScan);
  bench.Run();
  EXPECT_EQ(bench.metrics.requests_waiting[WaitReason::kPausedReader], 1);
  EXPECT_EQ(bench.metrics.requests_waiting[WaitReason::kCapacity], 0);
  slow.room = true;
  bench.scheduler->Wake();
  bench.Run();
  EXPECT_OK(slow.status);
  EXPECT_EQ(slow.tokens(), ExpectedTokens(job));
  EXPECT_EQ(slow.summary.preemptions, 1);
}

TEST(PauseTest, AReaderThatStaysBehindIsAborted) {
  SchedulerBench bench({}, {.paused_job_limit = absl::Seconds(300)});
  RecordingSink& sink = bench.NewSink();
  bench.Submit(GenerateJob(0, 10), sink);
  bench.Run(2);
  sink.room = false;
  bench.Run(1);
  bench.clock.Advance(absl::Seconds(299));
  bench.Run();
  EXPECT_EQ(sink.finishes, 0);
  bench.clock.Advance(absl::Seconds(1));
  bench.Run();
  EXPECT_THAT(sink.status, StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(ReasonOf(sink.status)->reason, "SLOW_READER");
  EXPECT_EQ(bench.metrics.wasted_tokens, 2);
}

TEST(PauseTest, RoomInBetweenStartsTheClockAnew) {
  SchedulerBench bench({}, {.paused_job_limit = absl::Seconds(300)});
  RecordingSink& sink = bench.NewSink();
  bench.Submit(GenerateJob(0, 10), sink);
  bench.Run(2);
  for (int round = 0; round < 3; ++round) {
    sink.room = false;
    bench.Run(1);
    bench.clock.Advance(absl::Seconds(200));
    bench.Run(1);
    sink.room = true;
    bench.scheduler->Wake();
    bench.Run(1);
  }
  EXPECT_EQ(sink.finishes, 0);
  bench.Run();
  EXPECT_OK(sink.status);
}

TEST(PauseTest, LimitsOfZeroSpareReadersThatKeepUp) {
  SchedulerBench bench(
      {}, {.paused_slot_limit = absl::ZeroDuration(), .paused_job_limit = absl::ZeroDuration()});
  RecordingSink& fast = bench.NewSink();
  RecordingSink& slow = bench.NewSink();
  bench.Submit(GenerateJob(0, 10), fast);
  bench.Submit(GenerateJob(0, 10), slow);
  bench.Run(2);
  slow.room = false;
  bench.Run();
  EXPECT_OK(fast.status);
  EXPECT_EQ(fast.summary.preemptions, 0);
  EXPECT_THAT(slow.status, StatusIs(absl::StatusCode::kAborted));
}

TEST(PauseTest, APausedJobInTheQueueIsPassedOver) {
  SchedulerBench bench({.max_slots = 1}, {.paused_slot_limit = absl::Seconds(1)});
  RecordingSink& slow = bench.NewSink();
  RecordingSink& later = bench.NewSink();
  bench.Submit(GenerateJob(0, 10), slow);
  bench.Run(1);
  slow.room = false;
  bench.Run(1);
  bench.clock.Advance(absl::Seconds(1));
  bench.Run(1);
  bench.Submit(GenerateJob(0, 3), later);
  bench.Run();
  EXPECT_OK(later.status);
}

TEST(PauseTest, WaitingJobsHearTheirPlaceWhenItChangesAndNotTooOften) {
  SchedulerBench bench({.max_slots = 1});
  const std::span<RecordingSink> sinks = bench.NewSinks(3);
  for (RecordingSink& sink : sinks) bench.Submit(GenerateJob(0, 10), sink);
  bench.Run(1);
  bench.clock.Advance(absl::Milliseconds(499));
  bench.Run(1);
  EXPECT_THAT(sinks[2].progress, IsEmpty());
  bench.clock.Advance(kScan);
  bench.Run(1);
  const JobProgress second{.phase = JobPhase::kQueued, .queue_position = 1};
  EXPECT_THAT(sinks[2].progress, ElementsAre(second));
  bench.clock.Advance(absl::Seconds(1));
  bench.Run(1);
  EXPECT_THAT(sinks[2].progress, ElementsAre(second)) << "nothing has changed";
  bench.Run(7);  // the first job ends, the second starts
  bench.clock.Advance(absl::Seconds(1));
  bench.Run(1);
  EXPECT_THAT(sinks[2].progress,
              ElementsAre(second, JobProgress{.phase = JobPhase::kQueued, .queue_position = 0}));
  EXPECT_THAT(sinks[0].progress, IsEmpty()) << "it was streaming";
}

TEST(PauseTest, ALongPrefillTellsHowFarItIs) {
  SchedulerBench bench({}, {.prefill_rows_per_step = 4});
  RecordingSink& sink = bench.NewSink();
  bench.Submit(GenerateJob(40, 1), sink);
  for (int step = 0; step < 5; ++step) {
    bench.Run(1);
    bench.clock.Advance(absl::Milliseconds(300));
  }
  EXPECT_THAT(sink.progress,
              ElementsAre(JobProgress{.phase = JobPhase::kPrefilling, .prefilled_tokens = 8},
                          JobProgress{.phase = JobPhase::kPrefilling, .prefilled_tokens = 16}));
}

TEST(PauseTest, APreemptedJobIsToldSo) {
  SchedulerBench bench({.max_slots = 1});
  RecordingSink& low = bench.NewSink();
  RecordingSink& high = bench.NewSink();
  bench.Submit(GenerateJob(0, 10), low);
  bench.Run(1);
  Job job = GenerateJob(0, 10);
  job.priority = 1;
  bench.Submit(job, high);
  bench.Run(1);
  bench.clock.Advance(absl::Seconds(1));
  bench.Run(1);
  EXPECT_THAT(low.progress, ElementsAre(JobProgress{.phase = JobPhase::kPreempted}));
}

}  // namespace
}  // namespace strided
