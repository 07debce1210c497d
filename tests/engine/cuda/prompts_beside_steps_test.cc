// Plans with prompts and steps, which clusters run side by side: the bits of each alone.

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "tests/engine/cuda/cuda_runner.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/draw_batch.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/status_matchers.h"

namespace strided::cuda {
namespace {

constexpr int kPrompt = 300;
constexpr int kCut = 131;     // where the prompt is cut
constexpr int kSteps = 30;    // a call, of sequences without a prompt
constexpr int kStreams = 20;  // sequences without one: those with lower numbers

RandomModel Model() {
  return MakeRandomModel(SmallConfig(R"({
      "context_length": 320, "position_axes": [16, 20], "vocab_size": 97, "n_layer": 6,
      "d_model": 256, "n_head": 2, "d_key": 64, "d_value": 128, "d_ff": 512,
      "attention": [{"pattern": "strided", "stride": 16}, {"pattern": "local", "window": 96},
                    {"pattern": "dense"}]})"),
                         3);
}

// max_rows for several prompts at once.
std::unique_ptr<CudaExecutor> Start(const RandomModel& model, CudaDecodePath path) {
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.decode_path = path;
  options.max_rows = 1024;
  return MakeCudaExecutor(model.config, model.weights, options);
}

struct Sequence {
  int number = 0;
  Slot slot;
  Draws draws;

  bool has_prompt() const { return number >= kStreams; }
  int position() const { return (has_prompt() ? kPrompt : 0) + static_cast<int>(draws.size()); }
};

int32_t PromptToken(int position) { return (position * position * 7 + position) % 97; }

void AddPromptRows(StepPlan& plan, const Slot& slot, int first, int end) {
  for (int t = first; t < end; ++t) {
    StepRow row;
    row.slot = slot.index();
    row.position = t;
    row.input = t == 0 ? kStartInput : PromptToken(t - 1);
    plan.rows.push_back(row);
  }
}

// Its rows of the first call, or of the second: steps, or a part of its prompt, behind which it
// draws its first token.
void AddRows(StepPlan& plan, const Sequence& sequence, bool second) {
  if (!sequence.has_prompt()) {
    const int32_t input = second ? sequence.draws.back().first : kStartInput;
    plan.rows.push_back(DrawRow(sequence.slot, sequence.position(), input, kSteps));
    return;
  }
  AddPromptRows(plan, sequence.slot, second ? kCut : 0, second ? kPrompt : kCut);
  if (second) plan.rows.push_back(DrawRow(sequence.slot, kPrompt, PromptToken(kPrompt - 1), 1));
}

// What the sequences draw in two calls, together.
std::vector<Draws> Play(Executor& executor, const std::vector<int>& numbers) {
  std::vector<Sequence> sequences;
  std::map<int, Sequence*> by_slot;
  for (const int number : numbers) {
    SequenceSpec spec = SpecOf(number, number < kStreams ? 2 * kSteps : kPrompt + 1);
    spec.prompt_length = number < kStreams ? 0 : kPrompt;
    absl::StatusOr<Slot> slot = executor.StartSequence(spec);
    EXPECT_OK(slot);
    sequences.push_back({.number = number, .slot = *std::move(slot), .draws = {}});
  }
  for (Sequence& sequence : sequences) by_slot[sequence.slot.index()] = &sequence;
  for (const bool second : {false, true}) {
    StepPlan plan;
    for (const Sequence& sequence : sequences) AddRows(plan, sequence, second);
    const absl::StatusOr<StepResult> results = executor.Run(plan);
    EXPECT_OK(results);
    auto result = results->begin();
    for (const StepRow& row : plan.rows) {
      for (int step = 0; step < row.steps; ++step, ++result) {
        if (row.output == RowOutput::kNone) continue;
        by_slot[row.slot]->draws.emplace_back(result->token,
                                              std::bit_cast<uint32_t>(result->log_prob));
      }
    }
  }
  std::vector<Draws> draws;
  for (Sequence& sequence : sequences) draws.push_back(std::move(sequence.draws));
  return draws;
}

class PromptsBesideStepsTest : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    int major = 0;
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
    if (HasCudaDevice() && major < 9) GTEST_SKIP() << "no CUDA device with clusters";
  }
};

TEST_F(PromptsBesideStepsTest, EachGivesTheBitsThatItGivesAlone) {
  const RandomModel model = Model();
  const auto executor = Start(model, CudaDecodePath::kCluster);
  ASSERT_TRUE(executor->info().prompts_beside_steps);
  std::vector<int> all;
  std::vector<Draws> alone;
  for (int number = 0; number < kStreams + 3; ++number) {
    all.push_back(number);
    alone.push_back(Play(*executor, {number}).front());
    EXPECT_FALSE(executor->side_times().has_value());
  }
  for (int round = 0; round < 20; ++round) {
    const std::vector<Draws> together = Play(*executor, all);
    ASSERT_TRUE(executor->side_times().has_value());
    EXPECT_GT(executor->side_times()->prompts, absl::ZeroDuration());
    EXPECT_GT(executor->side_times()->steps, absl::ZeroDuration());
    ASSERT_EQ(together, alone) << "round " << round;
  }
}

// The parent is in a call with prompts before it is forked and after.
TEST_F(PromptsBesideStepsTest, AForkOfASequenceThatRanBesideAPromptGoesOnAsItDoes) {
  const RandomModel model = Model();
  const auto executor = Start(model, CudaDecodePath::kCluster);
  ASSERT_OK_AND_ASSIGN(const Slot parent, executor->StartSequence(SpecOf(0, 60)));
  SequenceSpec spec = SpecOf(1, kPrompt + 1);
  spec.prompt_length = kPrompt;
  ASSERT_OK_AND_ASSIGN(const Slot prompted, executor->StartSequence(spec));
  StepPlan plan{{DrawRow(parent, 0, kStartInput, 30)}};
  AddPromptRows(plan, prompted, 0, kCut);
  ASSERT_OK_AND_ASSIGN(const StepResult first, executor->Run(plan));
  const int32_t last = first[29].token;
  ASSERT_OK_AND_ASSIGN(const Slot fork, executor->ForkSequence(parent, SpecOf(0, 60)));
  ASSERT_OK_AND_ASSIGN(const Slot copy, executor->ForkSequence(prompted, spec));
  plan = {{DrawRow(parent, 30, last, 30), DrawRow(fork, 30, last, 30)}};
  for (const Slot* const slot : {&prompted, &copy}) {
    AddPromptRows(plan, *slot, kCut, kPrompt);
    plan.rows.push_back(DrawRow(*slot, kPrompt, PromptToken(kPrompt - 1), 1));
  }
  ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run(plan));
  for (size_t t = 0; t < 30; ++t) {
    EXPECT_EQ(results[t].token, results[30 + t].token) << "step " << t;
    EXPECT_EQ(results[t].log_prob, results[30 + t].log_prob) << "step " << t;
  }
  constexpr size_t kOfPrompt = kPrompt - kCut + 1;
  EXPECT_EQ(results[60 + kOfPrompt - 1].token, results.back().token);
  EXPECT_EQ(results[60 + kOfPrompt - 1].log_prob, results.back().log_prob);
}

TEST_F(PromptsBesideStepsTest, ByGraphsTheyTakeTurns) {
  const RandomModel model = Model();
  const auto executor = Start(model, CudaDecodePath::kGraph);
  EXPECT_FALSE(executor->info().prompts_beside_steps);
  EXPECT_EQ(Play(*executor, {0, kStreams})[1], Play(*executor, {kStreams}).front());
  EXPECT_FALSE(executor->side_times().has_value());
}

}  // namespace
}  // namespace strided::cuda
