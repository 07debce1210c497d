// 10,000 random batches: whatever stands beside it in a step, however its prompt is cut and
// wherever it is forked from, a sequence gives the bits that it gives alone.

#include <gtest/gtest.h>

#include <bit>
#include <deque>
#include <optional>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/engine/cpu/sequence_runner.h"

namespace strided {
namespace {

// Models of tests/golden that together have every pattern, mixed heads, d_key != d_value, odd
// widths, conditions and both position rules.
constexpr const char* kModels[] = {"heads",          "mixed_layers",     "fixed_spread",
                                   "odd_sizes",      "summary_spread",   "local_strided",
                                   "previous_block", "conditions",       "narrow_keys",
                                   "block",          "position_current", "wide_keys"};
constexpr int kBatches = 10'000;

using Random = std::mt19937;

int Below(Random& random, int limit) {
  return static_cast<int>(random() % static_cast<uint32_t>(limit));
}

// A sequence to generate: a prompt, then samples up to its longest length.
struct Request {
  SequenceSpec spec;
  std::vector<int32_t> prompt;
};

// What a sequence's steps gave; log-probabilities as bits.
struct Step {
  int32_t token = 0;
  uint32_t log_prob = 0;
  friend bool operator==(const Step&, const Step&) = default;
};

void PrintTo(const Step& step, std::ostream* out) {
  *out << "token " << step.token << ", log_prob " << std::bit_cast<float>(step.log_prob);
}

Request RandomRequest(const ModelConfig& config, Random& random) {
  Request request;
  const int prompt_length = Below(random, config.context_length - 1);
  for (int i = 0; i < prompt_length; ++i) {
    request.prompt.push_back(Below(random, config.vocab_size));
  }
  request.spec.prompt_length = prompt_length;
  request.spec.max_length =
      prompt_length + 1 + Below(random, config.context_length - prompt_length);
  for (const Condition& condition : config.conditions) {
    request.spec.condition_values.push_back(Below(random, condition.values));
  }
  request.spec.seed = random();
  request.spec.sampling.top_k = Below(random, 3) == 0 ? 5 : 0;
  request.spec.sampling.repetition_penalty = Below(random, 3) == 0 ? 1.3 : 1.0;
  return request;
}

// A sequence on its way.
class Progress {
 public:
  Progress(Request request, Slot slot) : request_(std::move(request)), slot_(std::move(slot)) {}

  const Request& request() const { return request_; }
  const Slot& slot() const { return slot_; }
  int position() const { return position_; }
  bool in_prompt() const { return position_ < static_cast<int>(request_.prompt.size()); }
  bool done() const { return position_ == request_.spec.max_length; }

  // As `parent`, which stands behind its prompt, with another seed.
  static Progress Forked(Executor& executor, const Progress& parent, uint64_t seed) {
    Request request = parent.request_;
    request.spec.seed = seed;
    absl::StatusOr<Slot> slot = executor.ForkSequence(parent.slot_, request.spec);
    EXPECT_TRUE(slot.ok()) << slot.status();
    Progress fork(std::move(request), *std::move(slot));
    fork.position_ = parent.position_;
    fork.input_ = parent.input_;
    return fork;
  }

  // The row of the next position. Within the prompt its token is scored, or nothing is asked.
  StepRow NextRow(bool score) {
    StepRow row;
    row.slot = slot_.index();
    row.position = position_;
    row.input = input_;
    row.output = RowOutput::kSample;
    if (in_prompt()) {
      row.output = score ? RowOutput::kScore : RowOutput::kNone;
      row.target = request_.prompt[static_cast<size_t>(position_)];
      input_ = row.target;
    }
    ++position_;
    return row;
  }
  void TakeSample(int32_t token) { input_ = token; }

 private:
  Request request_;
  Slot slot_;
  int position_ = 0;
  int32_t input_ = kStartInput;
};

Progress Started(Executor& executor, Request request) {
  absl::StatusOr<Slot> slot = executor.StartSequence(request.spec);
  EXPECT_TRUE(slot.ok()) << slot.status();
  return Progress(std::move(request), *std::move(slot));
}

// Every step of the request alone, one row at a time.
std::vector<Step> RunAlone(Executor& executor, const Request& request) {
  Progress progress = Started(executor, request);
  std::vector<Step> steps;
  while (!progress.done()) {
    StepPlan plan;
    plan.rows.push_back(progress.NextRow(/*score=*/true));
    const absl::StatusOr<StepResult> results = executor.Run(plan);
    EXPECT_TRUE(results.ok()) << results.status();
    const TokenResult& result = results->front();
    steps.push_back({result.token, std::bit_cast<uint32_t>(result.log_prob)});
    if (plan.rows[0].output == RowOutput::kSample) progress.TakeSample(result.token);
  }
  return steps;
}

// Random batches on one executor, checked against each request's steps alone on another.
class RandomBatches {
 public:
  RandomBatches(Executor& together, Executor& alone, uint32_t seed)
      : together_(together), alone_(alone), random_(seed) {}

  void RunOne() {
    while (running_.size() < 5 || (running_.size() < 9 && Below(random_, 2) == 0)) Add();
    StepPlan plan;
    std::vector<size_t> owner;  // of each row, in running_
    for (size_t i = 0; i < running_.size(); ++i) {
      if (Below(random_, 4) == 0) continue;  // not in this step
      for (int rows = 1 + Below(random_, 6); rows > 0 && !running_[i].progress.done(); --rows) {
        plan.rows.push_back(running_[i].progress.NextRow(Below(random_, 2) == 0));
        owner.push_back(i);
        if (plan.rows.back().output == RowOutput::kSample) break;  // its token is needed next
      }
    }
    if (plan.rows.empty()) return;
    const absl::StatusOr<StepResult> results = together_.Run(plan);
    ASSERT_TRUE(results.ok()) << results.status();
    for (size_t row = 0; row < plan.rows.size(); ++row) {
      Check(running_[owner[row]], plan.rows[row], (*results)[row]);
    }
    std::erase_if(running_, [](const Running& running) { return running.progress.done(); });
  }

 private:
  struct Running {
    Progress progress;
    std::vector<Step> expected;
  };

  // A new request, or a fork of one that has done its prompt but sampled nothing.
  void Add() {
    for (Running& parent : running_) {
      const Progress& progress = parent.progress;
      if (progress.position() == static_cast<int>(progress.request().prompt.size()) &&
          !progress.done() && Below(random_, 3) == 0) {
        Progress fork = Progress::Forked(together_, progress, random_());
        std::vector<Step> expected = RunAlone(alone_, fork.request());
        running_.push_back({std::move(fork), std::move(expected)});
        return;
      }
    }
    const Request request = RandomRequest(together_.config(), random_);
    running_.push_back({Started(together_, request), RunAlone(alone_, request)});
  }

  void Check(Running& running, const StepRow& row, const TokenResult& result) {
    if (row.output == RowOutput::kNone) return;
    const Step step = {result.token, std::bit_cast<uint32_t>(result.log_prob)};
    EXPECT_EQ(step, running.expected[static_cast<size_t>(row.position)])
        << "position " << row.position;
    EXPECT_TRUE(result.finite);
    if (row.output == RowOutput::kSample) running.progress.TakeSample(result.token);
  }

  Executor& together_;
  Executor& alone_;
  Random random_;
  std::vector<Running> running_;
};

TEST(BatchTest, EverySequenceGivesItsOwnBitsInTenThousandRandomBatches) {
  struct Arithmetic {
    std::string instruction_set;
    WeightFormat format;
  };
  std::vector<Arithmetic> arithmetics;
  for (const std::string& set : InstructionSets()) {
    for (const WeightFormat format :
         {WeightFormat::kFloat32, WeightFormat::kBfloat16, WeightFormat::kInt8}) {
      arithmetics.push_back({set, format});
    }
  }
  const int combinations = static_cast<int>(std::size(kModels) * arithmetics.size());
  const int batches_each = (kBatches + combinations - 1) / combinations;
  int batches = 0;
  for (const char* name : kModels) {
    const LoadedModel model = LoadModel(absl::StrCat("tests/golden/", name));
    for (const Arithmetic& arithmetic : arithmetics) {
      CpuOptions options;
      options.instruction_set = arithmetic.instruction_set;
      options.weight_format = arithmetic.format;
      options.threads = 1;
      const std::unique_ptr<Executor> alone = MakeExecutor(model, options);
      options.threads = 2;
      const std::unique_ptr<Executor> together = MakeExecutor(model, options);
      SCOPED_TRACE(
          absl::StrCat(name, " ", arithmetic.instruction_set, " ", together->info().numerics));
      RandomBatches random(*together, *alone, static_cast<uint32_t>(batches));
      for (int i = 0; i < batches_each; ++i, ++batches) random.RunOne();
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
  EXPECT_GE(batches, kBatches);
}

}  // namespace
}  // namespace strided
