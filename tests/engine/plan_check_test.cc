#include "engine/plan_check.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// Sequences of at most 10 steps, of which slot 0 has run 4 and slot 1 none; plans of at most 6 rows
// of at most 3 steps.
class Device {
 public:
  absl::Status Check(std::vector<StepRow> rows) {
    const auto find = [this](int slot) {
      const auto found = sequences.find(slot);
      return found == sequences.end() ? nullptr : &found->second;
    };
    return CheckPlan({std::move(rows)}, {.max_rows = 6, .max_steps = 3, .vocab_size = 16},
                     ++plan_number, find);
  }

  std::map<int, SequenceProgress> sequences = {{0, {.max_length = 10, .next_position = 4}},
                                               {1, {.max_length = 10}}};
  uint64_t plan_number = 0;
};

StepRow Row(int slot, int position, RowOutput output = RowOutput::kNone, int steps = 1) {
  StepRow row;
  row.slot = slot;
  row.position = position;
  row.input = position == 0 ? kStartInput : 3;
  row.output = output;
  row.steps = steps;
  return row;
}

StepRow Draw(int slot, int position, int steps) {
  return Row(slot, position, RowOutput::kSample, steps);
}

void ExpectRefusal(std::vector<StepRow> rows, const std::string& text) {
  EXPECT_THAT(Device().Check(std::move(rows)), StatusIs(kInvalid, text));
}

TEST(PlanCheckTest, TakesRowsThatContinueTheirSequences) {
  Device device;
  EXPECT_OK(device.Check({Row(0, 4), Row(0, 5), Row(1, 0), Row(1, 1, RowOutput::kScore)}));
  EXPECT_OK(device.Check({Row(0, 4)})) << "a plan that was checked has not been run";
  EXPECT_EQ(device.sequences[0].next_position, 4);
}

TEST(PlanCheckTest, APlanHasRowsButNotTooMany) {
  ExpectRefusal({}, "a plan has 1 to 6 rows, not 0");
  ExpectRefusal(std::vector<StepRow>(7, Row(0, 4)), "a plan has 1 to 6 rows, not 7");
}

TEST(PlanCheckTest, ASlotMustBeInUse) {
  ExpectRefusal({Row(0, 4), Row(2, 0)}, "plan row 1: slot 2 is not in use");
}

TEST(PlanCheckTest, RowsOfASlotStandTogether) {
  ExpectRefusal({Row(0, 4), Row(1, 0), Row(0, 5)},
                "plan row 2: the rows of slot 0 do not stand together");
}

TEST(PlanCheckTest, PositionsFollowEachOtherWithoutGaps) {
  ExpectRefusal({Row(0, 5)}, "plan row 0: slot 0 is at position 4, not 5");
  ExpectRefusal({Row(0, 4), Row(0, 6)}, "plan row 1: slot 0 is at position 5, not 6");
  ExpectRefusal({Row(0, 4), Row(0, 4)}, "plan row 1: slot 0 is at position 5, not 4");
}

TEST(PlanCheckTest, PositionsEndWithTheSequence) {
  Device device;
  device.sequences[0].next_position = 9;
  EXPECT_OK(device.Check({Row(0, 9)}));
  EXPECT_THAT(device.Check({Row(0, 9), Row(0, 10)}),
              StatusIs(kInvalid, "plan row 1: slot 0 was started for 10 steps"));
}

TEST(PlanCheckTest, InputsAreTokensButTheFirst) {
  StepRow row = Row(1, 0);
  row.input = 2;
  ExpectRefusal({row}, "plan row 0: position 0 takes the start input, not token 2");
  row = Row(0, 4);
  row.input = kStartInput;
  ExpectRefusal({row}, "plan row 0: input -1 is not a token; the vocabulary has 16");
  row.input = 16;
  ExpectRefusal({row}, "plan row 0: input 16 is not a token; the vocabulary has 16");
}

TEST(PlanCheckTest, OnlyScoresHaveTargets) {
  StepRow row = Row(0, 4, RowOutput::kScore);
  row.target = 16;
  ExpectRefusal({row}, "plan row 0: target 16 is not a token; the vocabulary has 16");
  row.target = -1;
  ExpectRefusal({row}, "plan row 0: target -1 is not a token; the vocabulary has 16");
  row.output = RowOutput::kSample;
  EXPECT_OK(Device().Check({row}));
}

TEST(PlanCheckTest, ADrawMayTakeSeveralStepsUpToTheDevicesMost) {
  EXPECT_OK(Device().Check({Draw(0, 4, 3), Draw(1, 0, 2)}));
  ExpectRefusal({Draw(0, 4, 4)}, "plan row 0: steps is 4; it must be 1 to 3");
  ExpectRefusal({Draw(0, 4, 0)}, "plan row 0: steps is 0; it must be 1 to 3");
  ExpectRefusal({Draw(0, 4, -1)}, "plan row 0: steps is -1; it must be 1 to 3");
}

TEST(PlanCheckTest, OnlyDrawsTakeSeveralSteps) {
  ExpectRefusal({Row(0, 4, RowOutput::kNone, 2)}, "plan row 0: steps is 2; it must be 1 to 1");
  ExpectRefusal({Row(0, 4, RowOutput::kScore, 2)}, "plan row 0: steps is 2; it must be 1 to 1");
}

TEST(PlanCheckTest, SeveralStepsEndWithTheSequence) {
  Device device;
  device.sequences[0].next_position = 7;
  EXPECT_OK(device.Check({Draw(0, 7, 3)}));
  device.sequences[0].next_position = 8;
  EXPECT_THAT(device.Check({Draw(0, 8, 3)}),
              StatusIs(kInvalid, "plan row 0: slot 0 was started for 10 steps"));
}

TEST(PlanCheckTest, SeveralStepsComeAfterTheRowsOfTheirSlot) {
  EXPECT_OK(Device().Check({Row(0, 4), Draw(0, 5, 3), Row(1, 0)}));
}

// Nobody knows the input of a row behind them.
TEST(PlanCheckTest, NothingFollowsSeveralStepsInTheirSlot) {
  ExpectRefusal({Draw(0, 4, 2), Row(0, 6)},
                "plan row 1: slot 0 takes several steps, so no row may follow in it");
}

TEST(PlanCheckTest, WithoutAStartVectorPositionZeroTakesAToken) {
  SequenceProgress sequence{.max_length = 10};
  const PlanLimits limits{.max_rows = 6, .vocab_size = 16, .has_start_vector = false};
  const auto find = [&](int) { return &sequence; };
  StepRow row = Row(0, 0);
  row.input = 15;
  EXPECT_OK(CheckPlan({{row}}, limits, 1, find));
  for (const int32_t wrong : {kStartInput, 16}) {
    row.input = wrong;
    EXPECT_THAT(CheckPlan({{row}}, limits, static_cast<uint64_t>(wrong + 3), find),
                StatusIs(kInvalid, absl::StrCat("plan row 0: input ", wrong,
                                                " is not a token; the vocabulary has 16")));
  }
}

}  // namespace
}  // namespace strided
