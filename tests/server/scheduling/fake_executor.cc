#include "tests/server/scheduling/fake_executor.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

constexpr int kMaxTop = 4;

uint64_t Mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 29);
}

uint64_t HashOf(uint64_t hash, std::span<const int32_t> tokens) {
  for (const int32_t token : tokens) hash = Mix(hash, static_cast<uint64_t>(token) + 1);
  return hash;
}

absl::Status Broken(const StepRow& row, absl::string_view rule) {
  return absl::InvalidArgumentError(
      absl::StrCat("slot ", row.slot, " position ", row.position, ": ", rule));
}

}  // namespace

FakeExecutor::FakeExecutor(const Options& options) : options_(options) {
  config_.vocab_size = kVocabSize;
  config_.context_length = kContextLength;
  info_.device = options.device;
  info_.numerics = options.numerics;
  info_.max_rows = options.max_rows;
  info_.max_steps = options.max_steps;
  info_.prompts_beside_steps = options.prompts_beside_steps;
  absl::MutexLock lock(&mu_);
  usage_.capacity_bytes = options.cache_capacity_bytes;
}

int32_t FakeExecutor::HashedDraw(const SequenceSpec& spec, std::span<const int32_t> history) {
  const uint64_t hash = HashOf(Mix(Mix(1, spec.seed), spec.sample_index), history);
  return static_cast<int32_t>(hash % kVocabSize);
}

float FakeExecutor::LogProb(std::span<const int32_t> history, int32_t token) {
  const uint64_t hash = Mix(HashOf(2, history), static_cast<uint64_t>(token));
  return -static_cast<float>(hash % 100'000) / 7001;
}

CacheUsage FakeExecutor::cache_usage() const {
  absl::MutexLock lock(&mu_);
  return usage_;
}

absl::StatusOr<Slot> FakeExecutor::StartSequence(const SequenceSpec& spec) {
  ++starts;
  return Place({.spec = spec, .tokens = {}});
}

absl::StatusOr<Slot> FakeExecutor::ForkSequence(const Slot& parent, const SequenceSpec& spec) {
  ++forks;
  Sequence sequence = sequences_.at(parent.index());
  if (spec.max_length != sequence.spec.max_length ||
      spec.prompt_length != sequence.spec.prompt_length) {
    return absl::InvalidArgumentError("a fork differs from its parent");
  }
  sequence.spec = spec;
  return Place(std::move(sequence));
}

absl::StatusOr<Slot> FakeExecutor::Place(Sequence sequence) {
  while_placing();
  if (next_start_fails.has_value()) return *std::exchange(next_start_fails, std::nullopt);
  const int64_t bytes = CacheBytes(sequence.spec.max_length);
  int slot = 0;
  while (sequences_.contains(slot)) ++slot;
  absl::MutexLock lock(&mu_);
  if (usage_.slots_in_use == options_.max_slots ||
      usage_.used_bytes + bytes > usage_.capacity_bytes) {
    return absl::ResourceExhaustedError("no room");
  }
  ++usage_.slots_in_use;
  usage_.used_bytes += bytes;
  sequences_.emplace(slot, std::move(sequence));
  return Slot(this, slot);
}

void FakeExecutor::ReleaseSlot(int index) {
  absl::MutexLock lock(&mu_);
  --usage_.slots_in_use;
  usage_.used_bytes -= CacheBytes(sequences_.at(index).spec.max_length);
  sequences_.erase(index);
}

absl::StatusOr<StepResult> FakeExecutor::Run(const StepPlan& plan) {
  if (record_plans) plans.push_back(plan);
  if (next_run_fails.has_value()) return *std::exchange(next_run_fails, std::nullopt);
  if (plan.rows.empty() || plan.rows.size() > static_cast<size_t>(options_.max_rows)) {
    return absl::InvalidArgumentError(absl::StrCat("a plan of ", plan.rows.size(), " rows"));
  }
  side_times_ = TimesOf(plan);
  results_.clear();
  const size_t most_results = plan.rows.size() * static_cast<size_t>(options_.max_steps);
  top_ids_.assign(most_results * kMaxTop, 0);
  top_values_.assign(most_results * kMaxTop, 0);
  std::set<int> seen;
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    const StepRow& row = plan.rows[i];
    const bool continues = i > 0 && plan.rows[i - 1].slot == row.slot;
    if (!continues && !seen.insert(row.slot).second) return Broken(row, "rows apart");
    RETURN_IF_ERROR(RunRow(row));
  }
  return StepResult(results_);
}

absl::StatusOr<StepResult> FakeExecutor::RunBeside(const StepPlan& plan,
                                                   absl::FunctionRef<void()> work) {
  ASSIGN_OR_RETURN(const StepResult results, Run(plan));  // and the results before are gone
  works_beside = true;
  work();
  works_beside = false;
  return results;
}

std::optional<SideTimes> FakeExecutor::TimesOf(const StepPlan& plan) const {
  bool prompts = false;
  int steps = 0;
  for (const StepRow& row : plan.rows) {
    const auto found = sequences_.find(row.slot);
    if (found == sequences_.end()) continue;
    const bool in_prompt = row.position < found->second.spec.prompt_length;
    prompts |= in_prompt;
    if (!in_prompt) steps = std::max(steps, row.steps);
  }
  if (!info_.prompts_beside_steps || !prompts || steps == 0) return std::nullopt;
  return SideTimes{.prompts = times_of_both.prompts, .steps = times_of_both.steps * steps};
}

absl::Status FakeExecutor::RunRow(const StepRow& row) {
  const auto found = sequences_.find(row.slot);
  if (found == sequences_.end()) return Broken(row, "no such slot");
  Sequence& sequence = found->second;
  if (row.position != sequence.position) return Broken(row, "not the next position");
  const int most = row.output == RowOutput::kSample ? options_.max_steps : 1;
  if (row.steps < 1 || row.steps > most) return Broken(row, "steps");
  if (row.position + row.steps > sequence.spec.max_length) return Broken(row, "beyond max_length");
  if ((row.position == 0) != (row.input == kStartInput)) return Broken(row, "start input");
  if (row.input >= kVocabSize) return Broken(row, "input");
  StepRow step = row;
  for (int i = 0; i < row.steps; ++i, ++step.position) step.input = RunStep(sequence, step);
  return absl::OkStatus();
}

int32_t FakeExecutor::RunStep(Sequence& sequence, const StepRow& row) {
  if (row.position > 0) sequence.tokens.push_back(row.input);
  ++sequence.position;
  TokenResult result;
  result.token = -1;
  if (row.output != RowOutput::kNone) {
    const bool draws = row.output == RowOutput::kSample;
    result.token = draws ? draw(sequence.spec, sequence.tokens) : row.target;
    result.log_prob = LogProb(sequence.tokens, result.token);
    result.finite = row.position != non_finite_position;
    const size_t first = results_.size() * kMaxTop;
    const auto count = static_cast<size_t>(sequence.spec.top_logprobs);
    for (size_t k = 0; k < count; ++k) {
      top_ids_[first + k] = static_cast<int32_t>(k);
      top_values_[first + k] = LogProb(sequence.tokens, static_cast<int32_t>(k));
    }
    result.top_ids = std::span(top_ids_).subspan(first, count);
    result.top_values = std::span(top_values_).subspan(first, count);
  }
  results_.push_back(result);
  return result.token;
}

}  // namespace strided
