#include "tests/benchmarks/decode_run.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_format.h"
#include "engine/cache/cache_bytes.h"
#include "engine/cache/cache_layout.h"
#include "engine/sequence_check.h"
#include "tests/benchmarks/require.h"

namespace strided {
namespace {

// FNV-1a.
class Hash {
 public:
  void Add(int32_t token) { value_ = (value_ ^ static_cast<uint64_t>(token)) * 0x100000001b3u; }
  std::string text() const { return absl::StrFormat("%016x", value_); }

 private:
  uint64_t value_ = 0xcbf29ce484222325u;
};

int32_t PrefixToken(int position, int vocab_size) {
  return static_cast<int32_t>(static_cast<uint32_t>(position) * 2654435761u % 65521u) % vocab_size;
}

SequenceSpec SpecOf(const Executor& executor, int prompt_length, int sample) {
  SequenceSpec spec;
  spec.max_length = executor.config().context_length;
  spec.prompt_length = prompt_length;
  spec.condition_values.assign(executor.config().conditions.size(), 0);
  spec.seed = static_cast<uint64_t>(sample);
  return spec;
}

// A sequence that stands before `position`.
Slot StartedAt(Executor& executor, int position) {
  const SequenceSpec spec = SpecOf(executor, position, 0);
  Slot slot = Require(executor.StartSequence(spec));
  for (int t = 0; t < position;) {
    StepPlan plan;
    for (; t < position && static_cast<int>(plan.rows.size()) < executor.info().max_rows; ++t) {
      StepRow row;
      row.slot = slot.index();
      row.position = t;
      row.input =
          t == 0 ? FirstInput(executor.config()) : PrefixToken(t - 1, executor.config().vocab_size);
      plan.rows.push_back(row);
    }
    Require(executor.Run(plan));
  }
  return slot;
}

std::vector<Slot> Samples(Executor& executor, int batch, int position) {
  std::vector<Slot> slots;
  slots.push_back(StartedAt(executor, position));
  for (int sample = 1; sample < batch; ++sample) {
    const SequenceSpec spec = SpecOf(executor, position, sample);
    slots.push_back(Require(executor.ForkSequence(slots.front(), spec)));
  }
  return slots;
}

// One row of every sequence, which all stand before `position`.
StepPlan PlanAt(const std::vector<Slot>& slots, int position, const ModelConfig& config) {
  StepPlan plan;
  for (const Slot& slot : slots) {
    StepRow row;
    row.slot = slot.index();
    row.position = position;
    row.output = RowOutput::kSample;
    row.input = position == 0 ? FirstInput(config) : PrefixToken(position - 1, config.vocab_size);
    plan.rows.push_back(row);
  }
  return plan;
}

// Runs `steps` steps of every row and moves the rows behind them.
StepResult Advance(Executor& executor, StepPlan& plan, int steps) {
  for (StepRow& row : plan.rows) row.steps = steps;
  const StepResult results = Require(executor.Run(plan));
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    plan.rows[i].input = results[(i + 1) * static_cast<size_t>(steps) - 1].token;
    plan.rows[i].position += steps;
  }
  return results;
}

}  // namespace

double DecodeTimes::Median() const {
  std::vector<double> sorted = step_seconds;
  std::ranges::sort(sorted);
  return sorted[sorted.size() / 2];
}

double DecodeTimes::Best() const { return *std::ranges::min_element(step_seconds); }

DecodeTimes RunDecode(Executor& executor, const DecodeSetup& setup) {
  const int before = setup.first_position - 1;
  const std::vector<Slot> slots = Samples(executor, setup.batch, before);
  StepPlan plan = PlanAt(slots, before, executor.config());
  Advance(executor, plan, 1);
  DecodeTimes times;
  Hash hash;
  for (int step = 0; step < setup.steps; step += setup.steps_per_call) {
    const auto start = std::chrono::steady_clock::now();
    const StepResult results = Advance(executor, plan, setup.steps_per_call);
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    times.step_seconds.push_back(time.count() / setup.steps_per_call);
    for (const TokenResult& result : results) hash.Add(result.token);
  }
  times.token_hash = hash.text();
  return times;
}

int64_t CacheBytesPerStep(const ModelConfig& config, int position, int element_bytes) {
  int64_t rows = 0;
  std::vector<CacheStrip> space;
  for (const auto& layer : config.attention) {
    for (const AttentionPattern& pattern : layer) {
      const CacheLayout layout(pattern, config.context_length);
      space.resize(static_cast<size_t>(layout.max_strips()));
      for (const CacheStrip& strip : layout.StripsOf(position, space)) rows += strip.count;
      for (const CacheHome& home : layout.HomesOf(position)) rows += home.row >= 0 ? 1 : 0;
    }
  }
  return rows * CacheRowBytes(config.d_key, config.d_value, element_bytes);
}

}  // namespace strided
