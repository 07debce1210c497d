// Several executors of one model: where jobs go, and that all else is as with one.

#include "server/scheduling/scheduler_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "tests/server/scheduling/scheduler_bench.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Pair;

struct GroupBench {
  explicit GroupBench(const std::vector<FakeExecutor::Options>& devices,
                      const SchedulerOptions& options = {}) {
    for (const FakeExecutor::Options& device : devices) {
      executors.push_back(std::make_unique<FakeExecutor>(device));
    }
    group = std::make_unique<SchedulerGroup>(options, executors, &clock, &metrics);
  }

  FakeExecutor& Fake(size_t device) { return static_cast<FakeExecutor&>(*executors[device]); }
  JobId Submit(const Job& job, RecordingSink& sink) {
    return group->Submit(job, *admission.Admit(), &sink);
  }
  void Run() {
    while (group->RunOneStep()) continue;
  }
  std::vector<int> LiveSlots() {
    std::vector<int> slots;
    for (size_t i = 0; i < executors.size(); ++i) slots.push_back(Fake(i).live_slots());
    return slots;
  }

  FakeClock clock;
  CountingModelMetrics metrics;
  Admission admission{1000};
  std::vector<RecordingSink> sinks{100};
  std::vector<std::unique_ptr<Executor>> executors;
  std::unique_ptr<SchedulerGroup> group;
};

std::vector<FakeExecutor::Options> AlikeDevices(size_t count) {
  return std::vector<FakeExecutor::Options>(count);
}

Job WithSamples(int samples) {
  Job job = GenerateJob(0, 10);
  job.samples = samples;
  return job;
}

TEST(SchedulerGroupTest, AJobGoesToTheDeviceWithTheMostRoom) {
  GroupBench bench(AlikeDevices(3));
  bench.Submit(WithSamples(3), bench.sinks[0]);
  bench.Submit(WithSamples(1), bench.sinks[1]);
  bench.Submit(WithSamples(2), bench.sinks[2]);
  bench.Submit(WithSamples(1), bench.sinks[3]);
  bench.group->RunOneStep();
  EXPECT_THAT(bench.LiveSlots(), ElementsAre(3, 2, 2));
}

TEST(SchedulerGroupTest, RequestsAreCountedByDeviceAndOneWithoutAnyIsShown) {
  GroupBench bench({{.device = "fake:0"}, {.device = "fake:1"}});
  bench.Submit(WithSamples(3), bench.sinks[0]);
  EXPECT_THAT(bench.metrics.device_requests, ElementsAre(Pair("fake:0", 1), Pair("fake:1", 0)));
  bench.Submit(WithSamples(1), bench.sinks[1]);
  bench.Submit(WithSamples(1), bench.sinks[2]);
  EXPECT_THAT(bench.metrics.device_requests, ElementsAre(Pair("fake:0", 1), Pair("fake:1", 2)));
}

TEST(SchedulerGroupTest, JobsThatWaitCountAndThoseThatHaveEndedDoNot) {
  GroupBench bench(AlikeDevices(2), {.max_sequences = 1});
  for (size_t i = 0; i < 6; ++i) bench.Submit(GenerateJob(0, 4), bench.sinks[i]);
  bench.Run();
  EXPECT_EQ(bench.Fake(0).starts, 3);
  EXPECT_EQ(bench.Fake(1).starts, 3);
  bench.Submit(GenerateJob(0, 4), bench.sinks[6]);
  bench.Run();
  EXPECT_EQ(bench.Fake(0).starts, 4) << "both were empty again";
}

TEST(SchedulerGroupTest, ADeviceWithLessMemoryIsFullEarlier) {
  GroupBench bench({{.cache_capacity_bytes = 20}, {.cache_capacity_bytes = 200}});
  for (size_t i = 0; i < 4; ++i) bench.Submit(GenerateJob(0, 10), bench.sinks[i]);
  bench.Submit(GenerateJob(0, 30), bench.sinks[4]);  // would never fit the first
  bench.Run();
  EXPECT_EQ(bench.Fake(0).starts, 0) << "half of it, against a part of the other";
  EXPECT_EQ(bench.Fake(1).starts, 5);
  for (size_t i = 0; i < 5; ++i) EXPECT_OK(bench.sinks[i].status);
}

TEST(SchedulerGroupTest, AJobIsPushedTheSameOnWhateverDevice) {
  GroupBench bench(AlikeDevices(3));
  const Job job = GenerateJob(3, 12);
  for (size_t i = 0; i < 6; ++i) bench.Submit(job, bench.sinks[i]);
  bench.Run();
  for (size_t device = 0; device < 3; ++device) EXPECT_EQ(bench.Fake(device).starts, 2);
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(bench.sinks[i].tokens(), ExpectedTokens(job));
}

TEST(SchedulerGroupTest, EveryJobHasItsOwnIdAndIsCancelledByIt) {
  GroupBench bench(AlikeDevices(2));
  std::vector<JobId> ids;
  for (size_t i = 0; i < 4; ++i) ids.push_back(bench.Submit(GenerateJob(0, 10), bench.sinks[i]));
  bench.group->RunOneStep();
  bench.group->Cancel(ids[2], absl::CancelledError("that one"));
  bench.Run();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(bench.sinks[i].status.code(),
              i == 2 ? absl::StatusCode::kCancelled : absl::StatusCode::kOk)
        << "job " << i;
  }
}

TEST(SchedulerGroupTest, AWakeReachesTheDeviceOfThePausedJob) {
  GroupBench bench(AlikeDevices(2), {.paused_slot_limit = absl::ZeroDuration()});
  for (size_t i = 0; i < 2; ++i) {
    bench.Submit(GenerateJob(0, 10), bench.sinks[i]);
    bench.group->RunOneStep();
    bench.sinks[i].room = false;
  }
  bench.Run();
  bench.clock.Advance(absl::Milliseconds(50));
  bench.Run();
  EXPECT_THAT(bench.LiveSlots(), ElementsAre(0, 0));
  for (size_t i = 0; i < 2; ++i) bench.sinks[i].room = true;
  bench.group->Wake();
  bench.Run();
  for (size_t i = 0; i < 2; ++i) EXPECT_OK(bench.sinks[i].status);
}

TEST(SchedulerGroupTest, GaugesAreSumsOverTheDevices) {
  GroupBench bench({{.max_slots = 1, .cache_capacity_bytes = 100},
                    {.max_slots = 1, .cache_capacity_bytes = 100}},
                   {.max_sequences = 8});
  for (size_t i = 0; i < 5; ++i) bench.Submit(GenerateJob(0, 10), bench.sinks[i]);
  bench.group->RunOneStep();
  EXPECT_EQ(bench.metrics.slots_total, 16);
  EXPECT_EQ(bench.metrics.requests_running, 2);
  EXPECT_EQ(bench.metrics.requests_waiting[WaitReason::kCapacity], 3);
  EXPECT_EQ(bench.metrics.sequences_running, 2);
  EXPECT_EQ(bench.metrics.cache_bytes[CacheState::kUsed], 20);
  EXPECT_EQ(bench.metrics.cache_bytes[CacheState::kFree], 180);
  bench.Run();
  EXPECT_EQ(bench.metrics.requests_running, 0);
}

TEST(SchedulerGroupTest, OneDeviceThatFailsIsAFailedEngine) {
  GroupBench bench(AlikeDevices(2));
  bench.Submit(GenerateJob(0, 10), bench.sinks[0]);
  bench.Submit(GenerateJob(0, 10), bench.sinks[1]);
  bench.Fake(1).next_run_fails = absl::InternalError("a fuse");
  bench.Run();
  EXPECT_OK(bench.sinks[0].status);
  EXPECT_THAT(bench.sinks[1].status, StatusIs(absl::StatusCode::kInternal));
  EXPECT_FALSE(bench.group->health().healthy);
}

TEST(SchedulerGroupTest, HealthTellsTheStepThatHasRunForLongest) {
  GroupBench bench(AlikeDevices(2));
  EXPECT_EQ(bench.group->health().step_started, absl::InfinitePast());
  std::vector<absl::Time> seen;
  for (size_t device = 0; device < 2; ++device) {
    bench.Fake(device).draw = [&](const SequenceSpec& spec, std::span<const int32_t> history) {
      seen.push_back(bench.group->health().step_started);
      bench.clock.Advance(absl::Seconds(1));
      return FakeExecutor::HashedDraw(spec, history);
    };
  }
  const absl::Time start = bench.clock.Now();
  bench.Submit(GenerateJob(0, 1), bench.sinks[0]);
  bench.Submit(GenerateJob(0, 1), bench.sinks[1]);
  bench.Run();
  EXPECT_THAT(seen, ElementsAre(start, start + absl::Seconds(1)));
}

TEST(SchedulerGroupTest, OnItsThreadsEveryJobEndsOnceAndDestructionEndsTheRest) {
  GroupBench bench({{.max_slots = 3}, {.max_slots = 3}});
  bench.Fake(0).record_plans = bench.Fake(1).record_plans = false;
  const std::unique_ptr<Metrics> metrics = CreateMetrics();  // the bench's are of one thread
  bench.group = std::make_unique<SchedulerGroup>(SchedulerOptions(), bench.executors, &bench.clock,
                                                 metrics->ForModel("m", "1", "text"));
  absl::BlockingCounter finished(50);
  for (size_t i = 0; i < 50; ++i) {
    bench.sinks[i].on_finish = [&finished] { finished.DecrementCount(); };
  }
  bench.group->Start();
  for (size_t i = 0; i < 50; ++i) {
    const JobId id = bench.Submit(GenerateJob(2, 30), bench.sinks[i]);
    if (i % 5 == 0) bench.group->Cancel(id, absl::CancelledError());
  }
  finished.Wait();
  for (size_t i = 50; i < 60; ++i) bench.Submit(GenerateJob(0, 900), bench.sinks[i]);
  bench.group.reset();
  for (size_t i = 0; i < 60; ++i) {
    EXPECT_EQ(bench.sinks[i].finishes, 1) << "job " << i;
    EXPECT_THAT(bench.sinks[i].status.code(),
                AnyOf(Eq(absl::StatusCode::kOk), Eq(absl::StatusCode::kCancelled)));
  }
  EXPECT_THAT(bench.LiveSlots(), ElementsAre(0, 0));
  EXPECT_EQ(bench.admission.tickets_out(), 0);
}

}  // namespace
}  // namespace strided
