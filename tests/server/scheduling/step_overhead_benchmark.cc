// What a call of the executor costs beside the executor: RunOneStep with one that does nothing, for
// sequences that all decode, by streams, waiting jobs and steps of a call. `allocations` counts
// those of all steps together: none.
//
//   ninja -C build/cpu step_overhead_benchmark && build/cpu/bin/step_overhead_benchmark

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "server/observability/metrics.h"
#include "server/scheduling/scheduler.h"

namespace {
int64_t allocations = 0;  // the benchmark has one thread
}  // namespace

[[gnu::noinline]] void* operator new(size_t bytes) {
  ++allocations;
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace strided {
namespace {

constexpr int kEndless = 1 << 30;

class NullExecutor final : public Executor {
 public:
  explicit NullExecutor(int max_steps) : results_(8192) {
    config_.vocab_size = 256;
    config_.context_length = kEndless;
    info_.max_rows = 4096;
    info_.max_steps = max_steps;
    usage_.capacity_bytes = int64_t{1} << 60;
    for (TokenResult& result : results_) result.token = 1;
  }
  const ModelConfig& config() const override { return config_; }
  const ExecutorInfo& info() const override { return info_; }
  int64_t CacheBytes(int max_length) const override { return max_length; }
  CacheUsage cache_usage() const override { return usage_; }
  absl::StatusOr<Slot> StartSequence(const SequenceSpec&) override { return Slot(this, next_++); }
  absl::StatusOr<Slot> ForkSequence(const Slot&, const SequenceSpec&) override {
    return Slot(this, next_++);
  }
  absl::StatusOr<StepResult> Run(const StepPlan& plan) override {
    size_t count = 0;
    for (const StepRow& row : plan.rows) count += static_cast<size_t>(row.steps);
    return StepResult(results_).first(count);
  }
  void ReleaseSlot(int) override {}

 private:
  ModelConfig config_;
  ExecutorInfo info_;
  CacheUsage usage_;
  std::vector<TokenResult> results_;
  int next_ = 0;
};

class CountingSink final : public TokenSink {
 public:
  int Room() const override { return kEndless; }
  void Progress(const JobProgress&) override {}
  void Push(std::span<const PushedToken> tokens) override {
    for (const PushedToken& token : tokens) benchmark::DoNotOptimize(sum_ += token.token);
  }
  void FinishSample(const SampleEnd&) override {}
  void Finish(absl::Status, const JobSummary&) override {}

 private:
  int64_t sum_ = 0;
};

Job EndlessJob() {
  Job job;
  job.stop.max_new_tokens = 5'000'000;
  return job;
}

// `streams` that decode, `waiting` more in the queue, so many steps a call.
void MeasureStep(benchmark::State& state, ModelMetrics* metrics) {
  const auto streams = static_cast<int>(state.range(0));
  const auto waiting = static_cast<int>(state.range(1));
  NullExecutor executor(static_cast<int>(state.range(2)));
  const SystemClock clock;
  CountingSink sink;
  Admission admission(streams + waiting);
  Scheduler scheduler({.max_sequences = streams}, &executor, &clock, metrics);
  for (int i = 0; i < streams + waiting; ++i) {
    scheduler.Submit(EndlessJob(), *admission.Admit(), &sink);
  }
  scheduler.RunOneStep();
  scheduler.RunOneStep();
  const int64_t allocations_before = allocations;
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(scheduler.RunOneStep());
  state.counters["allocations"] = static_cast<double>(allocations - allocations_before);
}

void Step(benchmark::State& state) { MeasureStep(state, nullptr); }
void StepWithMetrics(benchmark::State& state) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  MeasureStep(state, metrics->ForModel("model", "1", "text"));
}

BENCHMARK(Step)
    ->Args({1, 0, 1})
    ->Args({8, 0, 1})
    ->Args({64, 0, 1})
    ->Args({64, 0, 8})
    ->Args({256, 0, 32})
    ->Args({64, 4096, 1});
BENCHMARK(StepWithMetrics)
    ->Args({1, 0, 1})
    ->Args({8, 0, 1})
    ->Args({64, 0, 1})
    ->Args({64, 0, 8})
    ->Args({256, 0, 32})
    ->Args({64, 4096, 1});

}  // namespace
}  // namespace strided

BENCHMARK_MAIN();
