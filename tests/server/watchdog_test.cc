#include "server/watchdog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "engine/base/clock.h"
#include "server/scheduling/admission.h"
#include "tests/server/observability/exposition.h"
#include "tests/server/service/fake_model.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

const WatchdogSettings kLimits = {.slow_step_limit = absl::Seconds(2),
                                  .hung_step_limit = absl::Seconds(60)};
const absl::Time kNoon = absl::FromUnixSeconds(1'700'000'000);

EngineCondition After(absl::Duration step) {
  return JudgeEngine({.healthy = true, .step_started = kNoon}, kLimits, kNoon + step);
}

TEST(JudgeEngineTest, AStepIsSlowAndThenHung) {
  EXPECT_EQ(After(absl::Seconds(2)), EngineCondition::kWell);
  EXPECT_EQ(After(absl::Milliseconds(2001)), EngineCondition::kSlow);
  EXPECT_EQ(After(absl::Seconds(60)), EngineCondition::kSlow);
  EXPECT_EQ(After(absl::Milliseconds(60'001)), EngineCondition::kHung);
}

TEST(JudgeEngineTest, AnIdleEngineIsWell) {
  EXPECT_EQ(JudgeEngine({}, kLimits, kNoon), EngineCondition::kWell);
}

TEST(JudgeEngineTest, AFailedStepIsWorseThanASlowOne) {
  EXPECT_EQ(
      JudgeEngine({.healthy = false, .step_started = kNoon}, kLimits, kNoon + absl::Seconds(3)),
      EngineCondition::kFailed);
}

// Takes what a job pushes, and forgets it.
class NullSink final : public TokenSink {
 public:
  int Room() const override { return 1; }
  void Progress(const JobProgress&) override {}
  void Push(std::span<const PushedToken>) override {}
  void FinishSample(const SampleEnd&) override {}
  void Finish(absl::Status, const JobSummary&) override {}
};

// One model whose scheduler the test steps, and a watchdog over it.
struct Fixture {
  explicit Fixture(bool running) {
    FakeModel made = MakeFakeModel(TextConfig(), {.scheduling = {},
                                                  .clock = &clock,
                                                  .metrics = metrics->ForModel("fake", "1", "text"),
                                                  .objects = metrics.get(),
                                                  .running = running});
    executor = made.executor;
    model = made.served;
    models.Add(made.served);
  }

  void Submit() {
    Job job;
    job.stop.max_new_tokens = 8;
    absl::StatusOr<Ticket> ticket = admission.Admit();
    ASSERT_OK(ticket);
    model->scheduler->Submit(std::move(job), *std::move(ticket), &sink);
  }

  double Healthy() const {
    return SeriesValue(Exposition(*metrics), R"(strided_engine_healthy{model="fake",version="1"})")
        .value_or(-1);
  }

  FakeClock clock{kNoon};
  std::unique_ptr<Metrics> metrics = CreateMetrics();
  Admission admission{1};
  NullSink sink;
  FakeModels models;
  GatedExecutor* executor;
  std::shared_ptr<const ServedModel> model;
  Watchdog watchdog{kLimits, &models, &clock};
};

TEST(WatchdogTest, ModelsThatAreNotReadyAreNotLookedAt) {
  Fixture fixture(/*running=*/false);
  fixture.models.Add(
      ModelEntry{.name = "loading", .version = "1", .state_reason = {}, .model = {}});
  EXPECT_EQ(fixture.watchdog.Check(), EngineCondition::kWell);
}

TEST(WatchdogTest, AStepThatFailsIsSeen) {
  Fixture fixture(/*running=*/false);
  fixture.executor->FailSteps();
  fixture.Submit();
  while (fixture.model->scheduler->RunOneStep()) {
  }
  EXPECT_EQ(fixture.watchdog.Check(), EngineCondition::kFailed);
  EXPECT_EQ(fixture.Healthy(), 0);
}

TEST(WatchdogTest, AStepThatDoesNotEndIsSeenAndARecoveryToo) {
  Fixture fixture(/*running=*/true);
  fixture.executor->AllowSteps(0);
  fixture.Submit();
  fixture.executor->AwaitHeldStep();
  EXPECT_EQ(fixture.watchdog.Check(), EngineCondition::kWell);
  fixture.clock.Advance(absl::Seconds(3));
  EXPECT_EQ(fixture.watchdog.Check(), EngineCondition::kSlow);
  EXPECT_EQ(fixture.Healthy(), 0);
  fixture.clock.Advance(absl::Seconds(60));
  EXPECT_EQ(fixture.watchdog.Check(), EngineCondition::kHung);

  fixture.executor->AllowAllSteps();
  EXPECT_TRUE(fixture.admission.AwaitIdle(absl::InfiniteDuration()));
  EXPECT_EQ(fixture.watchdog.Check(), EngineCondition::kWell);
  EXPECT_EQ(fixture.Healthy(), 1);
}

}  // namespace
}  // namespace strided
