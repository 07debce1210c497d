#include "server/scheduling/step_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

#include "server/scheduling/prompt_time_estimate.h"
#include "server/scheduling/step_time_estimate.h"

namespace strided {
namespace {

using ::testing::ElementsAre;

RowDemand Decode(JobId arrival = 1) { return {.ready = 1, .decodes = true, .arrival = arrival}; }

RowDemand Prompt(int ready, JobId arrival, int priority = 0) {
  return {.ready = ready, .priority = priority, .arrival = arrival};
}

std::vector<int> Granted(std::vector<RowDemand> demands, RowLimits limits) {
  std::vector<int> granted;
  for (const RowDemand& demand : GrantRows(std::move(demands), limits)) {
    granted.push_back(demand.granted);
  }
  return granted;
}

TEST(StepPolicyTest, EverySequenceThatDecodesGetsItsRowBesideALongPrompt) {
  EXPECT_THAT(Granted({Prompt(1000, 1), Decode(2), Decode(3)}, {.max_rows = 16, .prefill_rows = 8}),
              ElementsAre(8, 1, 1));
}

TEST(StepPolicyTest, PromptsGetWhatDecodeRowsLeaveOfTheStep) {
  EXPECT_THAT(Granted({Decode(), Decode(), Prompt(10, 3)}, {.max_rows = 4, .prefill_rows = 8}),
              ElementsAre(1, 1, 2));
}

TEST(StepPolicyTest, TheEarlierPromptGoesFirstAndTheNextTakesWhatIsLeft) {
  EXPECT_THAT(
      Granted({Prompt(9, 3), Prompt(5, 1), Prompt(2, 2)}, {.max_rows = 100, .prefill_rows = 10}),
      ElementsAre(3, 5, 2));
}

TEST(StepPolicyTest, TheHigherPriorityGoesBeforeTheEarlierArrival) {
  EXPECT_THAT(Granted({Prompt(9, 1), Prompt(9, 2, 1)}, {.max_rows = 100, .prefill_rows = 10}),
              ElementsAre(1, 9));
}

TEST(StepPolicyTest, TwoSequencesOfOneJobAreServedInTheirOrder) {
  EXPECT_THAT(Granted({Prompt(6, 1), Prompt(6, 1)}, {.max_rows = 100, .prefill_rows = 10}),
              ElementsAre(6, 4));
}

TEST(StepPolicyTest, NoDemandsAreGrantedNothing) {
  EXPECT_TRUE(GrantRows({}, {.max_rows = 4, .prefill_rows = 4}).empty());
}

RowDemand Stream(int drawable) {
  return {.ready = 1, .decodes = true, .drawable = drawable, .granted = 1};
}

std::vector<int> Steps(std::vector<RowDemand> demands, StepLimits limits,
                       std::optional<absl::Duration> step_time,
                       std::optional<absl::Duration> prompt_time = std::nullopt) {
  std::vector<int> steps;
  const ExpectedTimes times{.step = step_time, .prompts = prompt_time};
  for (const RowDemand& demand : GrantSteps(std::move(demands), limits, times)) {
    steps.push_back(demand.steps);
  }
  return steps;
}

constexpr StepLimits kEightSteps = {.max_steps = 8, .launch_limit = absl::Milliseconds(10)};

TEST(GrantStepsTest, EachSequenceGetsWhatItMayDrawUpToWhatTheExecutorRuns) {
  EXPECT_THAT(Steps({Stream(3), Stream(100), Stream(8)}, kEightSteps, absl::Milliseconds(1)),
              ElementsAre(3, 8, 8));
}

TEST(GrantStepsTest, ACallEndsWithinItsLimitIfAStepDoes) {
  const auto steps = [](absl::Duration time) {
    return Steps({Stream(100)}, kEightSteps, time).front();
  };
  EXPECT_EQ(steps(absl::ZeroDuration()), 8);
  EXPECT_EQ(steps(absl::Microseconds(1250)), 8);
  EXPECT_EQ(steps(absl::Microseconds(1251)), 7);
  EXPECT_EQ(steps(absl::Milliseconds(5)), 2);
  EXPECT_EQ(steps(absl::Milliseconds(11)), 1);
  EXPECT_EQ(steps(absl::Hours(1)), 1);
  EXPECT_THAT(Steps({Stream(9)}, {.max_steps = 8, .launch_limit = absl::ZeroDuration()},
                    absl::Microseconds(1)),
              ElementsAre(1));
}

TEST(GrantStepsTest, WhileNoStepHasBeenMeasuredACallIsOneStep) {
  EXPECT_THAT(Steps({Stream(9), Stream(9)}, kEightSteps, std::nullopt), ElementsAre(1, 1));
}

RowDemand RunningPrompt(int granted) { return {.ready = 1000, .drawable = 9, .granted = granted}; }

TEST(GrantStepsTest, WherePromptsAndStepsTakeTurnsACallWithBothIsOneStep) {
  EXPECT_THAT(Steps({Stream(9), RunningPrompt(7)}, kEightSteps, absl::Milliseconds(1),
                    absl::Milliseconds(4)),
              ElementsAre(1, 1));
}

TEST(GrantStepsTest, WhereAStreamGotNoRowACallIsOneStep) {
  EXPECT_THAT(Steps({Stream(9), Decode(2)}, kEightSteps, absl::Milliseconds(1)), ElementsAre(1, 1));
}

constexpr StepLimits kBeside = {
    .max_steps = 8, .beside_prompts = true, .launch_limit = absl::Milliseconds(10)};

TEST(GrantStepsTest, BesidePromptsACallHasTheStepsThatLastAsLong) {
  const auto steps = [](absl::Duration prompts) {
    return Steps({Stream(3), RunningPrompt(7), Stream(9)}, kBeside, absl::Milliseconds(1), prompts);
  };
  EXPECT_THAT(steps(absl::Milliseconds(4)), ElementsAre(3, 1, 4));
  EXPECT_THAT(steps(absl::Microseconds(1100)), ElementsAre(2, 1, 2));
  EXPECT_THAT(steps(absl::ZeroDuration()), ElementsAre(1, 1, 1));
  EXPECT_THAT(steps(absl::Milliseconds(7)), ElementsAre(3, 1, 5)) << "half of the launch's limit";
}

TEST(GrantStepsTest, WhileItIsNotKnownHowLongPromptsTakeACallBesideThemIsOneStep) {
  EXPECT_THAT(Steps({Stream(9), RunningPrompt(7)}, kBeside, absl::Milliseconds(1)),
              ElementsAre(1, 1));
  EXPECT_THAT(Steps({Stream(9), RunningPrompt(7)}, kBeside, std::nullopt, absl::Milliseconds(4)),
              ElementsAre(1, 1));
}

TEST(GrantStepsTest, APromptThatWaitsForAnotherHoldsNoStepsBack) {
  EXPECT_THAT(Steps({Stream(9), RunningPrompt(7), RunningPrompt(0)}, kBeside, absl::Milliseconds(1),
                    absl::Milliseconds(4)),
              ElementsAre(4, 1, 1));
}

TEST(GrantStepsTest, ACallThatBringsAFirstTokenIsOneStep) {
  RowDemand newcomer = Stream(9);
  newcomer.begins = true;
  EXPECT_THAT(Steps({Stream(9), newcomer}, kEightSteps, absl::Milliseconds(1)), ElementsAre(1, 1));
}

TEST(StepTimeEstimateTest, ItRisesAtOnceAndFallsSlowly) {
  StepTimeEstimate estimate;
  EXPECT_EQ(estimate.Of(1), std::nullopt);
  estimate.Add(absl::Milliseconds(4), 2);
  EXPECT_EQ(estimate.Of(2), absl::Milliseconds(4));
  estimate.Add(absl::Milliseconds(8), 2);
  EXPECT_EQ(estimate.Of(2), absl::Milliseconds(8));
  estimate.Add(absl::Milliseconds(4), 2);
  EXPECT_EQ(estimate.Of(2), absl::Milliseconds(7));
}

TEST(StepTimeEstimateTest, MoreRowsCountInProportionAndFewerAsTheLast) {
  StepTimeEstimate estimate;
  estimate.Add(absl::Milliseconds(2), 4);
  EXPECT_EQ(estimate.Of(8), absl::Milliseconds(4));
  EXPECT_EQ(estimate.Of(1), absl::Milliseconds(2));
}

TEST(PromptTimeEstimateTest, TheLastOfASizeTells) {
  PromptTimeEstimate estimate;
  EXPECT_EQ(estimate.Of(1), std::nullopt);
  estimate.Add(absl::Milliseconds(3), 1500);
  estimate.Add(absl::Milliseconds(1), 64);
  EXPECT_EQ(estimate.Of(2047), absl::Milliseconds(3));
  EXPECT_EQ(estimate.Of(127), absl::Milliseconds(1));
  EXPECT_EQ(estimate.Of(2048), std::nullopt);
  EXPECT_EQ(estimate.Of(63), std::nullopt);
  estimate.Add(absl::Milliseconds(2), 1024);
  EXPECT_EQ(estimate.Of(1500), absl::Milliseconds(2));
}

TEST(StepPolicyTest, NoStepIsOverfullAndNothingStarvesWhateverTheDemands) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const RowLimits limits{.max_rows = 1 + static_cast<int>(random() % 20),
                           .prefill_rows = 1 + static_cast<int>(random() % 20)};
    std::vector<RowDemand> demands(1 + random() % static_cast<unsigned>(limits.max_rows));
    for (RowDemand& demand : demands) {
      demand = random() % 2 == 0 ? Decode() : Prompt(1 + static_cast<int>(random() % 30), random());
    }
    int total = 0;
    int prompt_rows = 0;
    bool prompts = false;
    for (const RowDemand& demand : GrantRows(demands, limits)) {
      EXPECT_GE(demand.granted, demand.decodes ? 1 : 0);
      EXPECT_LE(demand.granted, demand.ready);
      total += demand.granted;
      prompt_rows += demand.decodes ? 0 : demand.granted;
      prompts |= !demand.decodes;
    }
    EXPECT_LE(total, limits.max_rows);
    EXPECT_LE(prompt_rows, limits.prefill_rows);
    EXPECT_GE(prompt_rows, prompts ? 1 : 0);
  }
}

}  // namespace
}  // namespace strided
