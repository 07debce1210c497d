// The scheduler on its own thread, with others that submit, cancel, stall and destroy.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "tests/server/scheduling/scheduler_bench.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::AnyOf;
using ::testing::Eq;

TEST(SchedulerThreadTest, AJobRunsWithoutAnyoneStepping) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  absl::Notification finished;
  sink.on_finish = [&] { finished.Notify(); };
  bench.scheduler->Start();
  const Job job = GenerateJob(20, 50);
  bench.Submit(job, sink);
  finished.WaitForNotification();
  bench.scheduler.reset();
  EXPECT_OK(sink.status);
  EXPECT_EQ(sink.tokens(), ExpectedTokens(job));
}

TEST(SchedulerThreadTest, AWakeFromAnotherThreadResumesAPausedJob) {
  SchedulerBench bench;
  RecordingSink& sink = bench.NewSink();
  absl::Notification paused;
  absl::Notification finished;
  sink.on_push = [&] {
    if (sink.tokens().size() != 5) return;
    sink.room = false;
    paused.Notify();
  };
  sink.on_finish = [&] { finished.Notify(); };
  bench.scheduler->Start();
  bench.Submit(GenerateJob(0, 10), sink);
  paused.WaitForNotification();
  sink.room = true;
  bench.scheduler->Wake();
  finished.WaitForNotification();
  EXPECT_OK(sink.status);
}

TEST(SchedulerThreadTest, ASinkMaySubmitAndCancelFromItsCalls) {
  SchedulerBench bench;
  RecordingSink& first = bench.NewSink();
  RecordingSink& second = bench.NewSink();
  absl::Notification finished;
  JobId second_id = 0;
  first.on_finish = [&] { second_id = bench.Submit(GenerateJob(0, 1000), second); };
  second.on_push = [&] { bench.scheduler->Cancel(second_id, absl::CancelledError("enough")); };
  second.on_finish = [&] { finished.Notify(); };
  bench.scheduler->Start();
  bench.Submit(GenerateJob(0, 1), first);
  finished.WaitForNotification();
  EXPECT_THAT(second.status, StatusIs(absl::StatusCode::kCancelled, "enough"));
}

TEST(SchedulerThreadTest, ThreadsThatSubmitCancelStallAndWakeGetOneFinishForEachJob) {
  constexpr int kThreads = 4;
  constexpr int kJobs = 100;
  SchedulerBench bench({.max_slots = 3});
  bench.executor.record_plans = false;
  bench.scheduler->Start();
  absl::BlockingCounter finished(kThreads * kJobs);
  std::list<std::span<RecordingSink>> sinks;
  for (int i = 0; i < kThreads; ++i) sinks.push_back(bench.NewSinks(kJobs));
  std::vector<std::thread> threads;
  for (const std::span<RecordingSink> its_sinks : sinks) {
    threads.emplace_back([&bench, &finished, its_sinks] {
      int i = 0;
      for (RecordingSink& sink : its_sinks) {
        sink.on_finish = [&finished] { finished.DecrementCount(); };
        sink.room = i % 3 != 0;
        Job job = GenerateJob(i % 5, 1 + i % 7);
        job.priority = i % 2;
        job.samples = 1 + i % 3;
        const JobId id = bench.Submit(job, sink);
        if (i % 4 == 0) bench.scheduler->Cancel(id, absl::CancelledError());
        EXPECT_TRUE(bench.scheduler->health().healthy);
        sink.room = true;
        bench.scheduler->Wake();
        ++i;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  finished.Wait();
  bench.scheduler.reset();
  for (const std::span<RecordingSink> its_sinks : sinks) {
    for (RecordingSink& sink : its_sinks) {
      EXPECT_EQ(sink.finishes, 1);
      EXPECT_THAT(sink.status.code(),
                  AnyOf(Eq(absl::StatusCode::kOk), Eq(absl::StatusCode::kCancelled)));
    }
  }
}

TEST(SchedulerThreadTest, DestructionWhileJobsRunEndsEachOnce) {
  for (int round = 0; round < 20; ++round) {
    SchedulerBench bench({.max_slots = 2});
    const std::span<RecordingSink> sinks = bench.NewSinks(20);
    bench.scheduler->Start();
    for (RecordingSink& sink : sinks) bench.Submit(GenerateJob(3, 900), sink);
    bench.scheduler.reset();
    for (RecordingSink& sink : sinks) EXPECT_EQ(sink.finishes, 1);
  }
}

}  // namespace
}  // namespace strided
