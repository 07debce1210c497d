#include "engine/cpu/cpu_executor.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/status_macros.h"
#include "engine/cache/cache_bytes.h"
#include "engine/cache/slot_table.h"
#include "engine/cpu/core_count.h"
#include "engine/cpu/kernels/kernels.h"
#include "engine/cpu/network.h"
#include "engine/cpu/sequence.h"
#include "engine/cpu/transformer.h"
#include "engine/option_check.h"
#include "engine/plan_check.h"
#include "engine/sampling/log_probs.h"
#include "engine/sequence_check.h"

namespace strided {
namespace {

// Raised by a change that changes the bits of a result.
constexpr int kKernelGeneration = 2;

ProductForm FormOf(WeightFormat format, const Kernels& kernels) {
  switch (format) {
    case WeightFormat::kFloat32:
      return ProductForm::kFloat32;
    case WeightFormat::kBfloat16:
      return kernels.bfloat16_form;
    case WeightFormat::kInt8:
      return kernels.int8_form;
    case WeightFormat::kFloat16:
    case WeightFormat::kFloat8:
      break;  // CheckOptions refuses them
  }
  return ProductForm::kFloat32;
}

NetworkForms FormsOf(const ModelConfig& config, WeightFormat format, const Kernels& kernels) {
  const ProductForm form = FormOf(format, kernels);
  const bool down_is_wide = config.wide_hidden && IsInt8(form);
  return {form, down_is_wide ? kernels.bfloat16_form : form};
}

absl::string_view FormSuffix(ProductForm form) {
  return form == ProductForm::kBfloat16Dot ? "-dot" : "";
}

ExecutorInfo InfoOf(const ModelConfig& config, const CpuOptions& options, const Kernels& kernels,
                    int64_t parameter_count) {
  ExecutorInfo info;
  info.device = "cpu";
  info.weight_format = std::string(WeightFormatName(options.weight_format));
  const NetworkForms forms = FormsOf(config, options.weight_format, kernels);
  info.cache_format = options.weight_format == WeightFormat::kFloat32 ? "float32" : "bfloat16";
  info.numerics = absl::StrCat("cpu-", kKernelGeneration, " weights=", info.weight_format,
                               FormSuffix(forms.most), " cache=", info.cache_format,
                               " arithmetic=", kernels.family);
  if (forms.down != forms.most) {
    absl::StrAppend(&info.numerics, " down=bfloat16", FormSuffix(forms.down));
  }
  info.max_rows = options.max_rows;
  info.parameter_count = parameter_count;
  return info;
}

// Room for the alternatives that every row of a plan may report.
struct TopBuffers {
  TopBuffers(int rows, int entries)
      : per_row(static_cast<size_t>(entries)),
        ids(static_cast<size_t>(rows) * per_row),
        values(ids.size()) {}
  size_t per_row;
  std::vector<int32_t> ids;
  std::vector<float> values;
};

class CpuExecutor final : public Executor {
 public:
  CpuExecutor(const ModelConfig& config, const CpuOptions& options, ExecutorInfo info)
      : config_(config),
        info_(std::move(info)),
        element_bytes_(CacheElementBytes(info_.cache_format)),
        slots_(options.max_slots, options.cache_capacity_bytes),
        top_(options.max_rows, 0),
        results_(static_cast<size_t>(options.max_rows)) {
    runs_.reserve(static_cast<size_t>(options.max_rows));
    outputs_.reserve(static_cast<size_t>(options.max_rows));
  }

  // To be called once, before anything else.
  absl::Status Load(const Weights& weights, const CpuOptions& options, const Kernels& kernels) {
    ASSIGN_OR_RETURN(
        Network network,
        PackNetwork(config_, weights, FormsOf(config_, options.weight_format, kernels)));
    const int threads = options.threads > 0 ? options.threads : UsableCores();
    ASSIGN_OR_RETURN(transformer_, Transformer::Create(config_, std::move(network), kernels,
                                                       {threads, options.max_rows}));
    return absl::OkStatus();
  }

  const ModelConfig& config() const override { return config_; }
  const ExecutorInfo& info() const override { return info_; }
  int64_t CacheBytes(int max_length) const override {
    return SequenceCacheBytes(config_, max_length, element_bytes_);
  }
  CacheUsage cache_usage() const override { return slots_.usage(); }

  absl::StatusOr<Slot> StartSequence(const SequenceSpec& spec) override {
    ASSIGN_OR_RETURN(std::unique_ptr<Sequence> sequence, MakeSequence(spec));
    return Slot(this, slots_.Add(std::move(sequence)));
  }

  absl::StatusOr<Slot> ForkSequence(const Slot& parent, const SequenceSpec& spec) override {
    const Sequence* const source = slots_.Find(parent.index());
    if (source == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("slot ", parent.index(), " is not in use, so it cannot be forked"));
    }
    RETURN_IF_ERROR(CheckFork(spec, source->spec));
    ASSIGN_OR_RETURN(std::unique_ptr<Sequence> sequence, MakeSequence(spec));
    sequence->cache.CopyFrom(source->cache);
    sequence->sampler.InheritHistory(source->sampler);
    sequence->progress.next_position = source->progress.next_position;
    sequence->observed = source->observed;
    return Slot(this, slots_.Add(std::move(sequence)));
  }

  void ReleaseSlot(int index) override { slots_.Remove(index); }

  absl::StatusOr<StepResult> Run(const StepPlan& plan) override {
    const auto progress_of = [this](int slot) -> SequenceProgress* {
      Sequence* const sequence = slots_.Find(slot);
      return sequence == nullptr ? nullptr : &sequence->progress;
    };
    const PlanLimits limits{info_.max_rows, info_.max_steps, config_.vocab_size,
                            config_.has_start_vector};
    RETURN_IF_ERROR(CheckPlan(plan, limits, ++plan_number_, progress_of));
    Prepare(plan);
    const Batch batch{plan.rows, runs_, outputs_};
    transformer_->Run(batch, [&](int index, std::span<const float> logits) {
      const int row = outputs_[static_cast<size_t>(index)];
      Conclude(plan, static_cast<size_t>(row), logits);
    });
    for (const SequenceRun& run : runs_) {
      const auto last = static_cast<size_t>(run.first_row + run.rows - 1);
      Sequence& sequence = *slots_.Find(plan.rows[last].slot);
      Observe(plan, last, sequence);
      sequence.progress.next_position = plan.rows[last].position + 1;
    }
    return StepResult(results_).first(plan.rows.size());
  }

 private:
  absl::StatusOr<std::unique_ptr<Sequence>> MakeSequence(const SequenceSpec& spec);
  void Prepare(const StepPlan& plan);
  void Observe(const StepPlan& plan, size_t index, Sequence& sequence);
  void Conclude(const StepPlan& plan, size_t index, std::span<const float> logits);

  // Constant after Load.
  const ModelConfig config_;
  const ExecutorInfo info_;
  const int element_bytes_;  // of the caches

  SlotTable<Sequence> slots_;
  uint64_t plan_number_ = 0;

  // Of the last step.
  std::vector<SequenceRun> runs_;
  std::vector<int> outputs_;
  TopBuffers top_;
  std::unique_ptr<TopBuffers> larger_top_;  // for the next step; results may still point into top_
  std::vector<TokenResult> results_;        // [max_rows]

  std::unique_ptr<Transformer> transformer_;  // last: its threads use the above
};

absl::StatusOr<std::unique_ptr<Sequence>> CpuExecutor::MakeSequence(const SequenceSpec& spec) {
  RETURN_IF_ERROR(CheckSequenceSpec(spec, config_));
  RETURN_IF_ERROR(slots_.CheckRoom(CacheBytes(spec.max_length)));
  ASSIGN_OR_RETURN(SequenceCache cache,
                   SequenceCache::Create(config_, spec.max_length, element_bytes_));
  auto sequence = std::make_unique<Sequence>(spec, std::move(cache), config_.vocab_size);
  sequence->start = transformer_->StartVector(spec.condition_values);
  sequence->observed = config_.has_start_vector ? 0 : -1;
  const auto entries = static_cast<size_t>(spec.top_logprobs);
  const size_t room = larger_top_ == nullptr ? top_.per_row : larger_top_->per_row;
  if (entries > room) larger_top_ = std::make_unique<TopBuffers>(info_.max_rows, spec.top_logprobs);
  return sequence;
}

// Everything about the step that is not arithmetic.
void CpuExecutor::Prepare(const StepPlan& plan) {
  if (larger_top_ != nullptr) top_ = std::move(*std::exchange(larger_top_, nullptr));
  runs_.clear();
  outputs_.clear();
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    const StepRow& row = plan.rows[i];
    if (i == 0 || plan.rows[i - 1].slot != row.slot) {
      Sequence& sequence = *slots_.Find(row.slot);
      runs_.push_back({.cache = &sequence.cache,
                       .start = sequence.start.data(),
                       .first_row = static_cast<int>(i),
                       .first_output = static_cast<int>(outputs_.size())});
    }
    ++runs_.back().rows;
    if (row.output != RowOutput::kNone) {
      ++runs_.back().outputs;
      outputs_.push_back(static_cast<int>(i));
    }
    results_[i] = TokenResult{};
    results_[i].token = -1;
  }
}

// Shows the sampler the inputs of the sequence's rows up to row `index` of the plan.
void CpuExecutor::Observe(const StepPlan& plan, size_t index, Sequence& sequence) {
  const int position = plan.rows[index].position;
  for (int& t = sequence.observed; t < position; ++t) {  // x(t) is the input of position t + 1
    const size_t behind = static_cast<size_t>(position - (t + 1));
    sequence.sampler.Observe(t, plan.rows[index - behind].input);
  }
}

// From logits to the row's result. Called from the transformer's threads, for the rows of one
// sequence in order: a draw depends on the tokens before it, not on later ones.
void CpuExecutor::Conclude(const StepPlan& plan, size_t index, std::span<const float> logits) {
  const StepRow& row = plan.rows[index];
  Sequence& sequence = *slots_.Find(row.slot);
  Observe(plan, index, sequence);
  const auto entries = static_cast<size_t>(sequence.spec.top_logprobs);
  const std::span<int32_t> ids = std::span(top_.ids).subspan(index * top_.per_row, entries);
  const std::span<float> values = std::span(top_.values).subspan(index * top_.per_row, entries);
  TokenResult& result = results_[index];
  result.finite = AllFinite(logits);
  result.token =
      row.output == RowOutput::kSample ? sequence.sampler.Sample(row.position, logits) : row.target;
  result.log_prob = LogProbs(logits, result.token, ids, values);
  result.top_ids = ids;
  result.top_values = values;
}

absl::Status CheckOptions(const CpuOptions& options) {
  if (options.weight_format == WeightFormat::kFloat16 ||
      options.weight_format == WeightFormat::kFloat8) {
    return absl::InvalidArgumentError(absl::StrCat("weight_format is ",
                                                   WeightFormatName(options.weight_format),
                                                   "; the CPU takes float32, bfloat16 or int8"));
  }
  RETURN_IF_ERROR(CheckAtLeast("threads", options.threads, 0));
  RETURN_IF_ERROR(CheckAtLeast("max_rows", options.max_rows, 1));
  RETURN_IF_ERROR(CheckAtLeast("max_slots", options.max_slots, 1));
  return CheckAtLeast("cache_capacity_bytes", options.cache_capacity_bytes, 1);
}

absl::StatusOr<const Kernels*> ChooseKernels(const std::string& instruction_set) {
  const std::vector<Kernels>& available = AvailableKernels();
  if (instruction_set.empty()) return &available.back();
  for (const Kernels& kernels : available) {
    if (kernels.name == instruction_set) return &kernels;
  }
  const auto name = [](std::string* out, const Kernels& kernels) {
    absl::StrAppend(out, kernels.name);
  };
  return absl::InvalidArgumentError(absl::StrCat("instruction_set is ", instruction_set,
                                                 "; this processor has ",
                                                 absl::StrJoin(available, ", ", name)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Executor>> CreateCpuExecutor(const ModelConfig& config,
                                                            const Weights& weights,
                                                            const CpuOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  ASSIGN_OR_RETURN(const Kernels* kernels, ChooseKernels(options.instruction_set));
  auto executor = std::make_unique<CpuExecutor>(
      config, options, InfoOf(config, options, *kernels, weights.parameter_count()));
  RETURN_IF_ERROR(executor->Load(weights, options, *kernels));
  return executor;
}

}  // namespace strided
