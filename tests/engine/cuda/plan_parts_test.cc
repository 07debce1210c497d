#include "engine/cuda/plan_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "engine/cuda/cluster_step.h"

namespace strided::cuda {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

StepRow Row(int slot, int position, int steps = 1) {
  return {.slot = slot, .position = position, .steps = steps};
}

// Slot 1 is at the end of its prompt of 6, slot 2 has none, slot 3 is replayed behind its prompt of
// 2, slot 4 has none left.
const StepPlan kMixed{
    {Row(1, 4), Row(1, 5), Row(1, 6), Row(2, 9, 4), Row(3, 7), Row(3, 8), Row(3, 9), Row(4, 3, 8)}};

PlanParts Divided(const StepPlan& plan, bool side_by_side) {
  const std::map<int, int> prompts = {{1, 6}, {2, 0}, {3, 2}, {4, 2}};
  PlanParts parts;
  parts.Divide(
      plan, [&](int slot) { return prompts.at(slot); }, side_by_side);
  return parts;
}

TEST(PlanPartsTest, OneAfterTheOtherASequenceHasARowInEachRound) {
  const PlanParts parts = Divided(kMixed, /*side_by_side=*/false);
  EXPECT_THAT(parts.prompts().plan_rows, ElementsAre(0, 1));
  EXPECT_THAT(parts.beside().plan_rows, IsEmpty());
  ASSERT_EQ(parts.rounds().size(), 3u);
  EXPECT_THAT(parts.rounds()[0].plan_rows, ElementsAre(2, 3, 4, 7));
  EXPECT_THAT(parts.rounds()[1].plan_rows, ElementsAre(5));
  EXPECT_THAT(parts.rounds()[2].plan_rows, ElementsAre(6));
}

TEST(PlanPartsTest, SideBySideOnlyWhatNeedsNoPromptOfThePlanDoesNotWaitForIt) {
  const PlanParts parts = Divided(kMixed, /*side_by_side=*/true);
  EXPECT_THAT(parts.prompts().plan_rows, ElementsAre(0, 1));
  EXPECT_THAT(parts.beside().plan_rows, ElementsAre(3, 4, 7));
  ASSERT_EQ(parts.rounds().size(), 3u);
  EXPECT_THAT(parts.rounds()[0].plan_rows, ElementsAre(2)) << "it reads what its prompt leaves";
  EXPECT_THAT(parts.rounds()[1].plan_rows, ElementsAre(5));
  EXPECT_THAT(parts.rounds()[2].plan_rows, ElementsAre(6));
}

TEST(PlanPartsTest, WithoutPromptsAllStepsRunTogether) {
  const PlanParts parts = Divided({{Row(2, 9), Row(4, 3, 2)}}, /*side_by_side=*/true);
  EXPECT_THAT(parts.prompts().plan_rows, IsEmpty());
  EXPECT_THAT(parts.beside().plan_rows, IsEmpty());
  EXPECT_THAT(parts.rounds().front().plan_rows, ElementsAre(0, 1));
}

TEST(PlanPartsTest, NothingOfThePlanBeforeIsLeft) {
  PlanParts parts = Divided(kMixed, /*side_by_side=*/true);
  parts.Divide(
      {{Row(4, 3)}}, [](int) { return 0; }, /*side_by_side=*/true);
  EXPECT_THAT(parts.prompts().plan_rows, IsEmpty());
  EXPECT_THAT(parts.beside().plan_rows, IsEmpty());
  EXPECT_THAT(parts.rounds()[0].plan_rows, ElementsAre(0));
  EXPECT_THAT(parts.rounds()[1].plan_rows, IsEmpty());
}

TEST(PlanPartsTest, TheDeviceSeesRowsWithTheMostStepsFirst) {
  const RowGroup sorted = MostStepsFirst(kMixed, Divided(kMixed, /*side_by_side=*/true).beside());
  EXPECT_THAT(sorted.plan_rows, ElementsAre(7, 3, 4));
  EXPECT_EQ(sorted.rows[0].slot, 4);
  EXPECT_EQ(sorted.rows[0].position, 3);
  EXPECT_EQ(sorted.rows[0].steps_left, 8);
}

TEST(ClustersBesidePromptsTest, TheyAreAsFewAsTakeTheRowsInAsManyGroups) {
  const auto clusters = [](int rows) { return ClustersBesidePrompts(rows, 7, 5); };
  EXPECT_EQ(clusters(1), 1);
  EXPECT_EQ(clusters(8), 1);
  EXPECT_EQ(clusters(9), 2);
  EXPECT_EQ(clusters(56), 7);
  EXPECT_EQ(clusters(64), 4) << "two groups each, as seven clusters would have";
  EXPECT_EQ(clusters(112), 7);
  EXPECT_EQ(clusters(256), 7);
  EXPECT_EQ(clusters(1000), 7) << "in turns";
}

}  // namespace
}  // namespace strided::cuda
