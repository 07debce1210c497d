// Models whose tokens a test can compute, and whose steps it can hold and fail.

#ifndef STRIDED_TESTS_SERVER_SERVICE_FAKE_MODEL_H_
#define STRIDED_TESTS_SERVER_SERVICE_FAKE_MODEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/executor.h"
#include "server/observability/metrics.h"
#include "server/repository/model_source.h"

namespace strided {

// 256 tokens, a context of 64, one dense layer of one head; condition "mood" with 3 values.
ModelConfig TextConfig();
// 2 x 2 x 3 values of 0 to 255.
ModelConfig ImageConfig();
// mu-law at 8 kHz, a context of 64.
ModelConfig AudioConfig();

// What a GatedExecutor draws at `position`.
int32_t FakeToken(const SequenceSpec& spec, int position, int32_t input, int vocab_size);
// The log-probability that it gives there: a multiple of 1/64, so sums are exact.
float FakeLogProb(int position);

// Steps are let through one by one where a test says so. Thread-safe beyond what Executor asks.
class GatedExecutor final : public Executor {
 public:
  explicit GatedExecutor(ModelConfig config);
  // Expects that every slot has been released.
  ~GatedExecutor() override;

  // From now on only `steps` more steps run; the next one waits. Without a call, all run.
  void AllowSteps(int steps) ABSL_LOCKS_EXCLUDED(mu_);
  void AllowAllSteps() ABSL_LOCKS_EXCLUDED(mu_);
  // Every step from now on fails.
  void FailSteps() ABSL_LOCKS_EXCLUDED(mu_);
  void AwaitSlotsInUse(int slots) const ABSL_LOCKS_EXCLUDED(mu_);
  // Returns once a step waits to be let through.
  void AwaitHeldStep() const ABSL_LOCKS_EXCLUDED(mu_);

  const ModelConfig& config() const override { return config_; }
  const ExecutorInfo& info() const override { return info_; }
  int64_t CacheBytes(int max_length) const override { return int64_t{max_length} * 8; }
  CacheUsage cache_usage() const override ABSL_LOCKS_EXCLUDED(mu_);
  void SetCacheCapacity(int64_t bytes) { capacity_bytes_ = bytes; }  // before use

  absl::StatusOr<Slot> StartSequence(const SequenceSpec& spec) override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<Slot> ForkSequence(const Slot& parent, const SequenceSpec& spec) override;
  absl::StatusOr<StepResult> Run(const StepPlan& plan) override ABSL_LOCKS_EXCLUDED(mu_);
  void ReleaseSlot(int index) override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  bool MayRun() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return steps_allowed_ != 0; }
  TokenResult RunRow(const StepRow& row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const ModelConfig config_;
  const ExecutorInfo info_;
  int64_t capacity_bytes_ = 1 << 20;

  mutable absl::Mutex mu_;
  int steps_allowed_ ABSL_GUARDED_BY(mu_) = -1;  // negative: all
  bool holds_step_ ABSL_GUARDED_BY(mu_) = false;
  bool failing_ ABSL_GUARDED_BY(mu_) = false;
  std::map<int, SequenceSpec> slots_ ABSL_GUARDED_BY(mu_);
  std::vector<TokenResult> results_ ABSL_GUARDED_BY(mu_);
  std::vector<int32_t> top_ids_;
  std::vector<float> top_values_;
};

// A ready model over a GatedExecutor; its scheduler is started if `running`.
struct FakeModel {
  GatedExecutor* executor;  // owned by the model
  std::shared_ptr<const ServedModel> served;
};
struct FakeModelOptions {
  std::string name = "fake";
  std::string version = "1";
  SchedulerOptions scheduling = {};
  const Clock* clock = nullptr;     // null: the system's
  ModelMetrics* metrics = nullptr;  // may be null
  Metrics* objects = nullptr;       // may be null
  bool running = false;
  std::string tokenizer = {};  // the text of a tokenizer.json; empty: none
};
FakeModel MakeFakeModel(ModelConfig config, const FakeModelOptions& options = {});

// The models that a test has.
class FakeModels final : public ModelSource {
 public:
  void Add(ModelEntry entry) { entries_.push_back(std::move(entry)); }
  void Add(const std::shared_ptr<const ServedModel>& model);
  // Lets go of all models; one that nobody else holds ends here, its scheduler's thread first.
  void Clear() { entries_.clear(); }

  absl::StatusOr<std::shared_ptr<const ServedModel>> Find(
      absl::string_view reference) const override;
  absl::StatusOr<ModelEntry> Describe(absl::string_view reference) const override;
  std::vector<ModelEntry> List() const override { return entries_; }

 private:
  std::vector<ModelEntry> entries_;
};

}  // namespace strided

#endif  // STRIDED_TESTS_SERVER_SERVICE_FAKE_MODEL_H_
