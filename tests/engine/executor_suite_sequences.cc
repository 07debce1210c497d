// How an executor's sequences go on: forks, replays, longer limits.

#include <algorithm>

#include "tests/engine/executor_suite.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using testing::HasSubstr;

TEST_P(SequenceSuite, AForkContinuesAsItsParentWouldWithItsSeed) {
  const RandomModel model = Model();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(24, 6);
  spec.sampling.repetition_penalty = 1.5;
  spec.seed = 11;
  SequenceSpec other_spec = spec;
  other_spec.seed = 12;
  const Slot alone = Prefilled(*executor, other_spec);
  const Slot parent = Prefilled(*executor, spec);
  ASSERT_OK_AND_ASSIGN(const Slot fork, executor->ForkSequence(parent, other_spec));
  const std::vector<Draw> of_parent = Sample(*executor, parent, 6, 6, 18);
  const std::vector<Draw> of_fork = Sample(*executor, fork, 6, 6, 18);
  EXPECT_EQ(of_fork, Sample(*executor, alone, 6, 6, 18));
  EXPECT_NE(of_fork, of_parent);
}

// What a sequence has seen is kept although it penalises nothing itself.
TEST_P(SequenceSuite, AForkMayPenaliseWhatItsParentDoesNot) {
  const RandomModel model = Model();
  const auto executor = Start(model);
  SequenceSpec penalising = SpecOf(24, 6);
  penalising.sampling.repetition_penalty = 8;
  penalising.sampling.temperature = 0;
  SequenceSpec plain = penalising;
  plain.sampling.repetition_penalty = 1;
  const Slot alone = Prefilled(*executor, penalising);
  const Slot parent = Prefilled(*executor, plain);
  ASSERT_OK_AND_ASSIGN(const Slot fork, executor->ForkSequence(parent, penalising));
  const std::vector<Draw> of_fork = Sample(*executor, fork, 6, 6, 18);
  EXPECT_EQ(of_fork, Sample(*executor, alone, 6, 6, 18));
  EXPECT_NE(of_fork, Sample(*executor, parent, 6, 6, 18));
}

TEST_P(SequenceSuite, AForkOutlivesItsParent) {
  const RandomModel model = Model();
  const auto executor = Start(model);
  const SequenceSpec spec = SpecOf(24, 6);
  const Slot alone = Prefilled(*executor, spec);
  absl::StatusOr<Slot> fork = absl::UnknownError("not yet");
  {
    const Slot parent = Prefilled(*executor, spec);
    fork = executor->ForkSequence(parent, spec);
  }
  ASSERT_OK(fork);
  const Slot next = Prefilled(*executor, SpecOf(24, 9));  // where the parent was
  EXPECT_EQ(Sample(*executor, *fork, 6, 6, 18), Sample(*executor, alone, 6, 6, 18));
}

TEST_P(SequenceSuite, AForkNeedsItsParentsShape) {
  const RandomModel model = Model();
  const auto executor = Start(model);
  ASSERT_OK_AND_ASSIGN(const Slot parent, executor->StartSequence(SpecOf(8)));
  EXPECT_THAT(executor->ForkSequence(parent, SpecOf(9)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_length")));
}

// A sequence that was preempted: its tokens are run again as rows whose inputs are known.
TEST_P(SequenceSuite, AReplayAfterThePromptGivesTheBitsOfTheDraws) {
  const RandomModel model = Model();
  for (const WeightFormat format : GetParam().formats) {
    const auto executor = Start(model, {.weight_format = format});
    SequenceSpec spec = SpecOf(24, 6);
    spec.sampling.frequency_penalty = 2;
    const Slot original = Prefilled(*executor, spec);
    const std::vector<Draw> draws = Sample(*executor, original, 6, 6, 18, 5);
    const Slot replay = Prefilled(*executor, spec);
    StepPlan plan;
    for (int t = 6; t < 16; ++t) {
      const int32_t input = t == 6 ? 6 : draws[static_cast<size_t>(t - 7)].first;
      plan.rows.push_back(Score(replay, t, input, draws[static_cast<size_t>(t - 6)].first));
    }
    ASSERT_OK_AND_ASSIGN(const StepResult scores, executor->Run(plan));
    for (size_t i = 0; i < scores.size(); ++i) EXPECT_EQ(DrawOf(scores[i]), draws[i]) << i;
    EXPECT_EQ(Sample(*executor, replay, 16, draws[9].first, 8),
              std::vector<Draw>(draws.begin() + 10, draws.end()));
  }
}

// As the scheduler preempts: the slot goes to another, and all that had run is run again, in pieces
// of other sizes that end within the prompt and behind it.
TEST_P(SequenceSuite, APreemptedSequenceGoesOnAsItWouldHave) {
  const RandomModel model = Model();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(24, 6);
  spec.sampling.repetition_penalty = 1.5;
  const Slot undisturbed = Prefilled(*executor, spec);
  const std::vector<Draw> draws = Sample(*executor, undisturbed, 6, 6, 18, 5);
  {
    const Slot preempted = Prefilled(*executor, spec);
    EXPECT_EQ(Sample(*executor, preempted, 6, 6, 7),
              std::vector<Draw>(draws.begin(), draws.begin() + 7));
  }
  const Slot other = Prefilled(*executor, SpecOf(24, 11));  // where it was
  ASSERT_OK_AND_ASSIGN(const Slot again, executor->StartSequence(spec));
  for (int first = 0; first < 13;) {
    StepPlan plan;
    for (const int end = std::min(first + 5, 13); first < end; ++first) {
      const int32_t input = first == 0   ? kStartInput
                            : first <= 6 ? first
                                         : draws[static_cast<size_t>(first - 7)].first;
      plan.rows.push_back(Row(again, first, input));
    }
    ASSERT_OK(executor->Run(plan));
  }
  EXPECT_EQ(Sample(*executor, again, 13, draws[6].first, 11, 4),
            std::vector<Draw>(draws.begin() + 7, draws.end()));
}

TEST_P(SequenceSuite, APieceThatSamplesAtEveryRowDrawsAsSingleStepsDo) {
  const RandomModel model = Model();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(24);
  spec.sampling.frequency_penalty = 2;
  ASSERT_OK_AND_ASSIGN(const Slot single, executor->StartSequence(spec));
  const std::vector<Draw> draws = Sample(*executor, single, 0, kStartInput, 24);
  ASSERT_OK_AND_ASSIGN(const Slot replay, executor->StartSequence(spec));
  StepPlan plan;
  for (int t = 0; t < 24; ++t) {
    const int32_t input = t == 0 ? kStartInput : draws[static_cast<size_t>(t - 1)].first;
    plan.rows.push_back(Row(replay, t, input, RowOutput::kSample));
  }
  ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run(plan));
  for (size_t t = 0; t < draws.size(); ++t) EXPECT_EQ(DrawOf(results[t]), draws[t]) << t;
}

TEST_P(SequenceSuite, ALongerLimitDoesNotChangeTheBits) {
  const RandomModel model = Model();
  const auto executor = Start(model);
  for (const int prompt_length : {1, 5}) {
    const Slot shorter = Prefilled(*executor, SpecOf(13, prompt_length));
    const Slot longer = Prefilled(*executor, SpecOf(24, prompt_length));
    EXPECT_EQ(Sample(*executor, shorter, prompt_length, prompt_length, 8),
              Sample(*executor, longer, prompt_length, prompt_length, 8));
  }
}

}  // namespace
}  // namespace strided
