// The interface that a device implements: whole steps over slots.

#ifndef STRIDED_ENGINE_EXECUTOR_H_
#define STRIDED_ENGINE_EXECUTOR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/cache/slot.h"
#include "engine/cache/slot_ledger.h"
#include "engine/model/config.h"
#include "engine/sampling/parameters.h"
#include "engine/step.h"

namespace strided {

// What a sequence needs for its whole life.
struct SequenceSpec {
  int max_length = 0;                 // N, steps it may ever run; caches are sized for it, exactly
  int prompt_length = 0;              // tokens before it count as prompt for the penalties
  std::vector<int> condition_values;  // one per ModelConfig::conditions, in its order
  SamplingParameters sampling;
  uint64_t seed = 0;
  uint32_t sample_index = 0;
  int top_logprobs = 0;  // alternatives that each output reports
};

struct ExecutorInfo {
  std::string device;         // "cpu", "cuda:0"
  std::string weight_format;  // WeightFormatName, e.g. "bfloat16"
  std::string cache_format;   // of keys and values: "float32", "float16", "bfloat16" or "int8"
  // Names all that the bits of a result depend on beside weights and request: weight and
  // cache format, instruction set, kernel generation. Part of the model's fingerprint.
  std::string numerics;
  int max_rows = 0;   // of one plan
  int max_steps = 1;  // of one row (step.h)
  // Whether prompt rows run at the same time as the steps of the plan's other sequences, so that
  // these may well take several. Else they run one after the other.
  bool prompts_beside_steps = false;
  int64_t parameter_count = 0;
};

// How long the rows of a plan's prompts and the steps of its other sequences took, side by side.
struct SideTimes {
  absl::Duration prompts;
  absl::Duration steps;  // all of them
};

// Start, fork, run and release come from one thread, the scheduler's. The const accessors may be
// called from any thread.
class Executor : public SlotOwner {
 public:
  virtual ~Executor() = default;

  virtual const ModelConfig& config() const = 0;
  virtual const ExecutorInfo& info() const = 0;

  // Bytes of cache that a sequence of `max_length` steps takes: model-format's formulas, exactly.
  // Requires 1 <= max_length <= context_length.
  virtual int64_t CacheBytes(int max_length) const = 0;
  virtual CacheUsage cache_usage() const = 0;

  // A slot with empty caches. InvalidArgument where the spec does not fit the model, or could never
  // fit the device; ResourceExhausted where it does not fit beside the slots in use; Internal where
  // the device failed, after which every slot is lost.
  virtual absl::StatusOr<Slot> StartSequence(const SequenceSpec& spec) = 0;

  // A slot that has run what `parent` has run, with its own sampler: several samples share one
  // prefill. `spec` must have the parent's max_length, prompt_length and condition_values. Errors
  // as for StartSequence.
  virtual absl::StatusOr<Slot> ForkSequence(const Slot& parent, const SequenceSpec& spec) = 0;

  // Runs every row. InvalidArgument where the plan breaks the rules of step.h (a caller's bug: the
  // step did nothing); Internal where the device failed, after which every slot is lost.
  virtual absl::StatusOr<StepResult> Run(const StepPlan& plan) = 0;

  // Of the last Run; nothing where it had not both, or ran them one after the other. From the
  // thread that runs.
  virtual std::optional<SideTimes> side_times() const { return std::nullopt; }

  // Run, with the caller's `work` beside it: called at most once, on this thread, while a device
  // that computes by itself does so, elsewhere before the run. So a host that has something to do
  // between two calls need not keep the device waiting. Maybe not called where the run fails.
  // `work` may use the const accessors alone; the results of the call before are gone by then.
  virtual absl::StatusOr<StepResult> RunBeside(const StepPlan& plan,
                                               absl::FunctionRef<void()> work) {
    work();
    return Run(plan);
  }
};

}  // namespace strided

#endif  // STRIDED_ENGINE_EXECUTOR_H_
