// An executor without a network: what it draws is a function of the sequence alone, and it holds
// its caller to every rule of step.h.

#ifndef STRIDED_TESTS_SERVER_SCHEDULING_FAKE_EXECUTOR_H_
#define STRIDED_TESTS_SERVER_SCHEDULING_FAKE_EXECUTOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "engine/executor.h"

namespace strided {

// One byte of cache per position.
class FakeExecutor final : public Executor {
 public:
  struct Options {
    int max_rows = 16;
    int max_steps = 1;
    bool prompts_beside_steps = false;
    int max_slots = 1000;
    int64_t cache_capacity_bytes = 1'000'000;
    std::string numerics = "fake";
    std::string device = "fake";
  };
  static constexpr int kVocabSize = 64;
  static constexpr int kContextLength = 1000;

  explicit FakeExecutor(const Options& options);

  // x(position) of a sequence that begins with `history`. Replace it to decide what is drawn.
  using Draw = std::function<int32_t(const SequenceSpec& spec, std::span<const int32_t> history)>;
  Draw draw = &HashedDraw;
  // A function of seed, sample and all tokens before.
  static int32_t HashedDraw(const SequenceSpec& spec, std::span<const int32_t> history);
  // A function of the token and all tokens before; not of the sampler.
  static float LogProb(std::span<const int32_t> history, int32_t token);

  // -- What goes wrong.
  std::optional<absl::Status> next_run_fails;
  std::optional<absl::Status> next_start_fails;
  std::optional<int> non_finite_position;
  // What it says of a plan with prompts and steps, if it runs them side by side: of all prompt
  // rows, and of one step.
  SideTimes times_of_both;
  // Called in every start and fork, on the thread that runs it.
  std::function<void()> while_placing = [] {};

  // -- What happened.
  std::vector<StepPlan> plans;
  bool record_plans = true;
  int starts = 0;
  int forks = 0;
  bool works_beside = false;  // the caller's work is being done
  int live_slots() const { return cache_usage().slots_in_use; }

  const ModelConfig& config() const override { return config_; }
  const ExecutorInfo& info() const override { return info_; }
  int64_t CacheBytes(int max_length) const override { return max_length; }
  CacheUsage cache_usage() const override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<Slot> StartSequence(const SequenceSpec& spec) override;
  absl::StatusOr<Slot> ForkSequence(const Slot& parent, const SequenceSpec& spec) override;
  absl::StatusOr<StepResult> Run(const StepPlan& plan) override;
  absl::StatusOr<StepResult> RunBeside(const StepPlan& plan,
                                       absl::FunctionRef<void()> work) override;
  std::optional<SideTimes> side_times() const override { return side_times_; }
  void ReleaseSlot(int index) override;

 private:
  struct Sequence {
    SequenceSpec spec;
    std::vector<int32_t> tokens;  // x(0) to x(position - 2): the inputs so far
    int position = 0;             // next to run
  };

  absl::StatusOr<Slot> Place(Sequence sequence);
  std::optional<SideTimes> TimesOf(const StepPlan& plan) const;
  absl::Status RunRow(const StepRow& row);
  // One step of a row that has been checked; gives the token that it drew.
  int32_t RunStep(Sequence& sequence, const StepRow& row);

  const Options options_;
  ModelConfig config_;
  ExecutorInfo info_;
  std::map<int, Sequence> sequences_;  // by slot
  std::optional<SideTimes> side_times_;
  std::vector<TokenResult> results_;
  std::vector<int32_t> top_ids_;
  std::vector<float> top_values_;

  mutable absl::Mutex mu_;
  CacheUsage usage_ ABSL_GUARDED_BY(mu_);
};

}  // namespace strided

#endif  // STRIDED_TESTS_SERVER_SCHEDULING_FAKE_EXECUTOR_H_
