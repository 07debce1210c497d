#include "tests/benchmarks/decode_run.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_format.h"
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

std::vector<Slot> Samples(Executor& executor, const DecodeSetup& setup) {
  std::vector<Slot> slots;
  slots.push_back(StartedAt(executor, setup.first_position));
  for (int sample = 1; sample < setup.batch; ++sample) {
    const SequenceSpec spec = SpecOf(executor, setup.first_position, sample);
    slots.push_back(Require(executor.ForkSequence(slots.front(), spec)));
  }
  return slots;
}

}  // namespace

DecodeTimes RunDecode(Executor& executor, const DecodeSetup& setup) {
  const std::vector<Slot> slots = Samples(executor, setup);
  const int vocab_size = executor.config().vocab_size;
  StepPlan plan;
  for (const Slot& slot : slots) {
    StepRow row;
    row.slot = slot.index();
    row.position = setup.first_position;
    row.output = RowOutput::kSample;
    row.steps = setup.steps_per_call;
    if (row.position > 0) row.input = PrefixToken(row.position - 1, vocab_size);
    plan.rows.push_back(row);
  }
  DecodeTimes times;
  Hash hash;
  const auto per_call = static_cast<size_t>(setup.steps_per_call);
  for (int step = 0; step < setup.steps; step += setup.steps_per_call) {
    const auto start = std::chrono::steady_clock::now();
    const StepResult results = Require(executor.Run(plan));
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    times.step_seconds.push_back(time.count() / setup.steps_per_call);
    for (const TokenResult& result : results) hash.Add(result.token);
    for (size_t i = 0; i < plan.rows.size(); ++i) {
      plan.rows[i].input = results[(i + 1) * per_call - 1].token;
      plan.rows[i].position += setup.steps_per_call;
    }
  }
  std::sort(times.step_seconds.begin(), times.step_seconds.end());
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
  return rows * (config.d_key + config.d_value) * element_bytes;
}

}  // namespace strided
