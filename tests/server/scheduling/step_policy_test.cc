#include "server/scheduling/step_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

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
