#include "engine/cuda/cuda_executor.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/cache/cache_bytes.h"
#include "engine/cuda/cluster/cluster_choice.h"
#include "engine/cuda/cluster_step.h"
#include "engine/cuda/decode_path.h"
#include "engine/cuda/decode_step.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/network_loader.h"
#include "engine/cuda/plan_parts.h"
#include "engine/cuda/prefill_step.h"
#include "engine/cuda/sequence_store.h"
#include "engine/cuda/stream.h"
#include "engine/cuda/stream_timer.h"
#include "engine/option_check.h"
#include "engine/plan_check.h"
#include "engine/sequence_check.h"

namespace strided {
namespace {

using cuda::ClusterStep;
using cuda::CudaError;
using cuda::DecodePath;
using cuda::DecodeStep;
using cuda::LoadedNetwork;
using cuda::MostStepsFirst;
using cuda::OperandOf;
using cuda::Outputs;
using cuda::PlanParts;
using cuda::Prefill;
using cuda::PrefillStep;
using cuda::RowGroup;
using cuda::SequenceStore;
using cuda::StreamTimer;

// Raised by a change that changes the bits of a result.
constexpr int kKernelGeneration = 4;

absl::Status UseDevice(int device) {
  return CudaError(cudaSetDevice(device), absl::StrCat("using CUDA device ", device));
}

absl::StatusOr<int64_t> FreeBytes() {
  size_t free = 0;
  size_t total = 0;
  RETURN_IF_ERROR(CudaError(cudaMemGetInfo(&free, &total), "asking for free memory"));
  return static_cast<int64_t>(free);
}

absl::StatusOr<int> Attribute(cudaDeviceAttr attribute, int device) {
  int value = 0;
  RETURN_IF_ERROR(
      CudaError(cudaDeviceGetAttribute(&value, attribute, device), "asking what the device is"));
  return value;
}

// E.g. 9.0. Tensor cores of other generations may round their sums otherwise.
struct Capability {
  int major = 0;
  int minor = 0;
  std::string Name() const { return absl::StrCat(major, ".", minor); }
};

absl::StatusOr<Capability> CapabilityOf(int device) {
  Capability capability;
  ASSIGN_OR_RETURN(capability.major, Attribute(cudaDevAttrComputeCapabilityMajor, device));
  ASSIGN_OR_RETURN(capability.minor, Attribute(cudaDevAttrComputeCapabilityMinor, device));
  return capability;
}

// Shared memory that one block can ask for.
absl::StatusOr<int64_t> SharedBytes(int device) {
  return Attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
}

// The kernel's shape; nothing where tokens go by graphs. InvalidArgument where the options insist
// on a kernel that there is not.
absl::StatusOr<std::optional<cuda::cluster::Shape>> ClusterShapeOf(const ModelConfig& config,
                                                                   const CudaOptions& options,
                                                                   const Capability& capability) {
  if (options.decode_path == CudaDecodePath::kGraph) return std::nullopt;
  const absl::StatusOr<cuda::cluster::Shape> shape = cuda::cluster::ChooseShape(
      config, options.weight_format, options.cache_format, capability.major);
  const bool insists = options.decode_path == CudaDecodePath::kCluster;
  if (shape.ok() && (insists || cuda::cluster::IsFasterThanGraphs(*shape))) return *shape;
  if (!insists) return std::nullopt;
  return absl::InvalidArgumentError(
      absl::StrCat("decode_path is cluster: ", shape.status().message()));
}

// ExecutorInfo::cache_format.
std::string CacheFormatOf(const CudaOptions& options) {
  if (options.cache_format == CacheFormat::kInt8) return "int8";
  switch (OperandOf(options.weight_format)) {
    case cuda::Operand::kFloat32:
      return "float32";
    case cuda::Operand::kFloat16:
      return "float16";
    case cuda::Operand::kBfloat16:
      return "bfloat16";
  }
  return "";
}

// The device is the current one.
absl::StatusOr<std::string> NumericsOf(const CudaOptions& options, const Capability& capability,
                                       bool by_clusters) {
  ASSIGN_OR_RETURN(const cuda::CurrentDevice device, cuda::CurrentDevice::Find());
  return absl::StrCat("cuda-", kKernelGeneration,
                      " weights=", WeightFormatName(options.weight_format),
                      " cache=", CacheFormatOf(options),
                      " prefill=", device.has_warpgroups ? "warpgroups" : "warps",
                      " decode=", by_clusters ? "cluster" : "graph", " device=", capability.Name());
}

ExecutorInfo InfoOf(const CudaOptions& options, std::string numerics, bool by_clusters,
                    int64_t parameter_count) {
  ExecutorInfo info;
  info.device = absl::StrCat("cuda:", options.device);
  info.weight_format = std::string(WeightFormatName(options.weight_format));
  info.cache_format = CacheFormatOf(options);
  info.numerics = std::move(numerics);
  info.max_rows = options.max_rows;
  info.max_steps = options.max_steps;
  // Graphs want every multiprocessor for a moment at a time, clusters some for as long as they run.
  info.prompts_beside_steps = by_clusters;
  info.parameter_count = parameter_count;
  return info;
}

// The alternatives of every result of a call: device results are overwritten within it.
struct TopStore {
  std::vector<int32_t> ids;
  std::vector<float> values;
};

class DeviceExecutor final : public CudaExecutor {
 public:
  DeviceExecutor(const ModelConfig& config, const CudaOptions& options,
                 const std::optional<cuda::cluster::Shape>& cluster_shape, ExecutorInfo info)
      : config_(config), options_(options), cluster_shape_(cluster_shape), info_(std::move(info)) {}
  ~DeviceExecutor() override { cudaSetDevice(options_.device); }

  // To be called once, before anything else.
  absl::Status Load(const Weights& weights);

  const ModelConfig& config() const override { return config_; }
  const ExecutorInfo& info() const override { return info_; }
  int64_t CacheBytes(int max_length) const override { return sequences_->CacheBytes(max_length); }
  CacheUsage cache_usage() const override { return sequences_->usage(); }
  DeviceMemory memory() const override;

  absl::StatusOr<Slot> StartSequence(const SequenceSpec& spec) override;
  absl::StatusOr<Slot> ForkSequence(const Slot& parent, const SequenceSpec& spec) override;
  void ReleaseSlot(int index) override {
    cudaSetDevice(options_.device);
    sequences_->Remove(index);
  }
  absl::StatusOr<StepResult> Run(const StepPlan& plan) override {
    return RunBeside(plan, [] {});
  }
  absl::StatusOr<StepResult> RunBeside(const StepPlan& plan,
                                       absl::FunctionRef<void()> work) override;
  std::optional<SideTimes> side_times() const override { return side_times_; }

 private:
  absl::Status CreateStreams();
  absl::Status CreateDecodePath(const Weights& weights);
  int64_t ArenaBytes(int64_t free_at_start, int64_t free_now) const;
  // The slot, with room for its alternatives; gives it back where memory does not suffice. Last of
  // all: the room stays, so a sequence that is refused must not have taken it.
  absl::StatusOr<Slot> WithTop(Slot slot, int top_logprobs) {
    RETURN_IF_ERROR(decode_->ReserveTop(top_logprobs));
    RETURN_IF_ERROR(prefill_->ReserveTop(top_logprobs));
    return slot;
  }
  // InvalidArgument where a row asks for several steps within its prompt: prompts and draws take
  // different ways.
  absl::Status CheckPrompts(const StepPlan& plan) const;
  // Makes room for every result of the plan.
  void PrepareResults(const StepPlan& plan);
  // The prompts, and the steps that run beside them. As those below, calls `work` before it waits
  // for the device.
  absl::Status RunPrompts(const StepPlan& plan, absl::FunctionRef<void()> work);
  absl::Status RunPrefill(const StepPlan& plan, absl::FunctionRef<void()> work);
  absl::Status RunRound(const StepPlan& plan, const RowGroup& round,
                        absl::FunctionRef<void()> work);
  void TakeSteps(const StepPlan& plan, const RowGroup& group);
  void TakeResult(const StepPlan& plan, size_t plan_row, const Outputs& outputs, int index,
                  int step);

  const ModelConfig config_;
  const CudaOptions options_;
  const std::optional<cuda::cluster::Shape> cluster_shape_;  // none: decode steps go by graphs
  const ExecutorInfo info_;
  uint64_t plan_number_ = 0;

  // Of the last plan.
  PlanParts parts_;
  std::optional<SideTimes> side_times_;
  std::vector<size_t> first_result_;  // by row
  std::vector<size_t> first_top_;     // by row: of its first result's alternatives
  TopStore top_;
  std::vector<TokenResult> results_;

  // In the order of their dependencies: the streams are destroyed last.
  cuda::Stream stream_;  // of sequences and steps, whose blocks start before those of prompts
  cuda::Stream prompt_stream_;
  cuda::Event order_;  // from the one to the other
  StreamTimer steps_timer_;
  StreamTimer prompts_timer_;
  std::unique_ptr<LoadedNetwork> network_;
  std::unique_ptr<SequenceStore> sequences_;
  std::unique_ptr<DecodePath> decode_;
  int64_t cluster_weight_bytes_ = 0;
  std::unique_ptr<PrefillStep> prefill_;
};

absl::Status DeviceExecutor::Load(const Weights& weights) {
  RETURN_IF_ERROR(UseDevice(options_.device));
  ASSIGN_OR_RETURN(const int64_t shared_bytes, SharedBytes(options_.device));
  RETURN_IF_ERROR(cuda::CheckProductInputs(config_, options_.weight_format, shared_bytes));
  ASSIGN_OR_RETURN(const int64_t free_at_start, FreeBytes());
  RETURN_IF_ERROR(CreateStreams());
  ASSIGN_OR_RETURN(LoadedNetwork network,
                   LoadedNetwork::Load(config_, weights, options_.weight_format));
  network_ = std::make_unique<LoadedNetwork>(std::move(network));
  SequenceStore::Options store;
  store.max_slots = options_.max_slots;
  store.element_bytes = CacheElementBytes(info_.cache_format);
  ASSIGN_OR_RETURN(sequences_, SequenceStore::Create(config_, store, stream_.get()));
  RETURN_IF_ERROR(CreateDecodePath(weights));
  Prefill::Options prefill;
  prefill.max_rows = options_.max_rows;
  prefill.int8_caches = options_.cache_format == CacheFormat::kInt8;
  ASSIGN_OR_RETURN(prefill_, PrefillStep::Create(config_, network_->view(), sequences_->table(),
                                                 prefill, prompt_stream_.get()));
  ASSIGN_OR_RETURN(const int64_t free_now, FreeBytes());
  RETURN_IF_ERROR(sequences_->TakeArena(ArenaBytes(free_at_start, free_now)));
  // All streams: weights have been copied on another than the one that reads them.
  return CudaError(cudaDeviceSynchronize(), "loading a model");
}

absl::Status DeviceExecutor::CreateStreams() {
  ASSIGN_OR_RETURN(stream_, cuda::CreateStream(cuda::StreamPriority::kHigh));
  ASSIGN_OR_RETURN(prompt_stream_, cuda::CreateStream());
  ASSIGN_OR_RETURN(order_, cuda::CreateEvent());
  ASSIGN_OR_RETURN(steps_timer_, StreamTimer::Create());
  ASSIGN_OR_RETURN(prompts_timer_, StreamTimer::Create());
  return absl::OkStatus();
}

absl::Status DeviceExecutor::CreateDecodePath(const Weights& weights) {
  if (cluster_shape_.has_value()) {
    const ClusterStep::Options options = {.max_rows = options_.max_slots,
                                          .max_steps = options_.max_steps};
    ASSIGN_OR_RETURN(std::unique_ptr<ClusterStep> clusters,
                     ClusterStep::Create(*cluster_shape_, config_, weights, network_->view(),
                                         sequences_->table(), options, stream_.get()));
    cluster_weight_bytes_ = clusters->weight_bytes();
    decode_ = std::move(clusters);
    return absl::OkStatus();
  }
  DecodeStep::Options options;
  options.max_rows = options_.max_slots;
  options.max_steps = options_.max_steps;
  options.int8_caches = options_.cache_format == CacheFormat::kInt8;
  options.use_graphs = options_.use_graphs;
  ASSIGN_OR_RETURN(decode_, DecodeStep::Create(config_, network_->view(), sequences_->table(),
                                               options, stream_.get()));
  return absl::OkStatus();
}

int64_t DeviceExecutor::ArenaBytes(int64_t free_at_start, int64_t free_now) const {
  if (options_.cache_capacity_bytes > 0) return options_.cache_capacity_bytes;
  const auto share =
      static_cast<int64_t>(options_.memory_fraction * static_cast<double>(free_at_start));
  return std::max<int64_t>(share - (free_at_start - free_now), 0);
}

DeviceMemory DeviceExecutor::memory() const {
  DeviceMemory memory;
  memory.weights = network_->bytes() + cluster_weight_bytes_;
  memory.cache = sequences_->arena_bytes();
  memory.workspace =
      decode_->workspace_bytes() + prefill_->workspace_bytes() + sequences_->table_bytes();
  if (UseDevice(options_.device).ok()) memory.free = FreeBytes().value_or(0);
  return memory;
}

absl::StatusOr<Slot> DeviceExecutor::StartSequence(const SequenceSpec& spec) {
  RETURN_IF_ERROR(UseDevice(options_.device));
  RETURN_IF_ERROR(CheckSequenceSpec(spec, config_));
  ASSIGN_OR_RETURN(const int index,
                   sequences_->Add(spec, network_->StartVector(spec.condition_values)));
  return WithTop(Slot(this, index), spec.top_logprobs);
}

absl::StatusOr<Slot> DeviceExecutor::ForkSequence(const Slot& parent, const SequenceSpec& spec) {
  RETURN_IF_ERROR(UseDevice(options_.device));
  const cuda::Sequence* const source = sequences_->Find(parent.index());
  if (source == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("slot ", parent.index(), " is not in use, so it cannot be forked"));
  }
  RETURN_IF_ERROR(CheckSequenceSpec(spec, config_));
  RETURN_IF_ERROR(CheckFork(spec, source->spec));
  ASSIGN_OR_RETURN(const int index, sequences_->Fork(*source, parent.index(), spec));
  return WithTop(Slot(this, index), spec.top_logprobs);
}

absl::StatusOr<StepResult> DeviceExecutor::RunBeside(const StepPlan& plan,
                                                     absl::FunctionRef<void()> work) {
  RETURN_IF_ERROR(UseDevice(options_.device));
  const auto progress_of = [this](int slot) -> SequenceProgress* {
    cuda::Sequence* const sequence = sequences_->Find(slot);
    return sequence == nullptr ? nullptr : &sequence->progress;
  };
  const PlanLimits limits{info_.max_rows, info_.max_steps, config_.vocab_size,
                          config_.has_start_vector};
  RETURN_IF_ERROR(CheckPlan(plan, limits, ++plan_number_, progress_of));
  RETURN_IF_ERROR(CheckPrompts(plan));
  parts_.Divide(
      plan, [this](int slot) { return sequences_->Find(slot)->spec.prompt_length; },
      info_.prompts_beside_steps);
  bool worked = false;
  const auto beside = [&] {
    if (std::exchange(worked, true)) return;
    PrepareResults(plan);
    work();
  };
  RETURN_IF_ERROR(RunPrompts(plan, beside));
  for (const RowGroup& round : parts_.rounds()) RETURN_IF_ERROR(RunRound(plan, round, beside));
  for (const StepRow& row : plan.rows) {
    sequences_->Find(row.slot)->progress.next_position = row.position + row.steps;
  }
  return StepResult(results_);
}

absl::Status DeviceExecutor::CheckPrompts(const StepPlan& plan) const {
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    const StepRow& row = plan.rows[i];
    const int prompt_length = sequences_->Find(row.slot)->spec.prompt_length;
    if (row.steps == 1 || row.position >= prompt_length) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("plan row ", i, ": steps is ", row.steps, "; position ", row.position,
                     " is in the prompt of ", prompt_length, ", where it must be 1"));
  }
  return absl::OkStatus();
}

void DeviceExecutor::PrepareResults(const StepPlan& plan) {
  first_result_.clear();
  first_top_.clear();
  size_t results = 0;
  size_t top = 0;
  for (const StepRow& row : plan.rows) {
    first_result_.push_back(results);
    first_top_.push_back(top);
    results += static_cast<size_t>(row.steps);
    if (row.output == RowOutput::kNone) continue;
    const int alternatives = sequences_->Find(row.slot)->spec.top_logprobs;
    top += static_cast<size_t>(row.steps) * static_cast<size_t>(alternatives);
  }
  TokenResult none;
  none.token = -1;
  results_.assign(results, none);
  top_.ids.resize(top);
  top_.values.resize(top);
}

absl::Status DeviceExecutor::RunPrompts(const StepPlan& plan, absl::FunctionRef<void()> work) {
  side_times_.reset();
  if (parts_.prompts().empty()) return absl::OkStatus();
  // What sequences have been started or forked by.
  RETURN_IF_ERROR(cuda::LetFollow(prompt_stream_.get(), stream_.get(), order_));
  if (parts_.beside().empty()) return RunPrefill(plan, work);
  // Steps first: a cluster starts when sixteen neighbours are free.
  const RowGroup beside = MostStepsFirst(plan, parts_.beside());
  RETURN_IF_ERROR(steps_timer_.Begin(stream_.get()));
  RETURN_IF_ERROR(decode_->Start(beside.rows, /*beside_prompts=*/true));
  RETURN_IF_ERROR(steps_timer_.End(stream_.get()));
  RETURN_IF_ERROR(prompts_timer_.Begin(prompt_stream_.get()));
  RETURN_IF_ERROR(RunPrefill(plan, work));
  RETURN_IF_ERROR(prompts_timer_.End(prompt_stream_.get()));
  RETURN_IF_ERROR(decode_->Finish(work));
  TakeSteps(plan, beside);
  SideTimes times;
  ASSIGN_OR_RETURN(times.prompts, prompts_timer_.Elapsed());
  ASSIGN_OR_RETURN(times.steps, steps_timer_.Elapsed());
  side_times_ = times;
  return absl::OkStatus();
}

absl::Status DeviceExecutor::RunPrefill(const StepPlan& plan, absl::FunctionRef<void()> work) {
  const auto take = [&](size_t row, const Outputs& outputs, int index) {
    TakeResult(plan, parts_.prompts().plan_rows[row], outputs, index, 0);
  };
  return prefill_->Run(parts_.prompts().rows, take, work);
}

absl::Status DeviceExecutor::RunRound(const StepPlan& plan, const RowGroup& unsorted,
                                      absl::FunctionRef<void()> work) {
  if (unsorted.empty()) return absl::OkStatus();
  const RowGroup round = MostStepsFirst(plan, unsorted);
  RETURN_IF_ERROR(decode_->Start(round.rows, /*beside_prompts=*/false));
  RETURN_IF_ERROR(decode_->Finish(work));
  TakeSteps(plan, round);
  return absl::OkStatus();
}

void DeviceExecutor::TakeSteps(const StepPlan& plan, const RowGroup& group) {
  for (size_t r = 0; r < group.rows.size(); ++r) {
    const StepRow& row = plan.rows[group.plan_rows[r]];
    if (row.output == RowOutput::kNone) continue;
    for (int step = 0; step < row.steps; ++step) {
      TakeResult(plan, group.plan_rows[r], decode_->outputs(), static_cast<int>(r), step);
    }
  }
}

void DeviceExecutor::TakeResult(const StepPlan& plan, size_t plan_row, const Outputs& outputs,
                                int index, int step) {
  const int alternatives = sequences_->Find(plan.rows[plan_row].slot)->spec.top_logprobs;
  const auto count = static_cast<size_t>(alternatives);
  const size_t top = first_top_[plan_row] + static_cast<size_t>(step) * count;
  const std::span<int32_t> ids = std::span(top_.ids).subspan(top, count);
  const std::span<float> values = std::span(top_.values).subspan(top, count);
  std::ranges::copy(outputs.top_ids(index, step, alternatives), ids.begin());
  std::ranges::copy(outputs.top_values(index, step, alternatives), values.begin());
  const cuda::RowResult& from = outputs.result(index, step);
  TokenResult& result = results_[first_result_[plan_row] + static_cast<size_t>(step)];
  result.token = from.token;
  result.log_prob = from.log_prob;
  result.finite = from.finite != 0;
  result.top_ids = ids;
  result.top_values = values;
}

absl::Status CheckOptions(const CudaOptions& options) {
  const int devices = CudaDeviceCount();
  if (options.device < 0 || options.device >= devices) {
    return absl::InvalidArgumentError(
        absl::StrCat("CUDA device ", options.device, " does not exist; there are ", devices));
  }
  if (!(options.memory_fraction > 0 && options.memory_fraction <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("memory_fraction is ", options.memory_fraction, "; it must be above 0, to 1"));
  }
  RETURN_IF_ERROR(CheckAtLeast("max_rows", options.max_rows, 1));
  RETURN_IF_ERROR(CheckAtLeast("max_slots", options.max_slots, 1));
  RETURN_IF_ERROR(CheckAtLeast("max_steps", options.max_steps, 1));
  return CheckAtLeast("cache_capacity_bytes", options.cache_capacity_bytes, 0);
}

}  // namespace

int CudaDeviceCount() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) == cudaSuccess) return devices;
  cudaGetLastError();  // no driver is no reason for a later call to fail
  return 0;
}

bool CudaIsBuiltIn() { return true; }

absl::StatusOr<std::unique_ptr<CudaExecutor>> CreateCudaExecutor(const ModelConfig& config,
                                                                 const Weights& weights,
                                                                 const CudaOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  RETURN_IF_ERROR(CheckCacheFormat(options.cache_format, config, options.weight_format));
  ASSIGN_OR_RETURN(const Capability capability, CapabilityOf(options.device));
  ASSIGN_OR_RETURN(const std::optional<cuda::cluster::Shape> cluster_shape,
                   ClusterShapeOf(config, options, capability));
  RETURN_IF_ERROR(UseDevice(options.device));
  ASSIGN_OR_RETURN(std::string numerics,
                   NumericsOf(options, capability, cluster_shape.has_value()));
  auto executor = std::make_unique<DeviceExecutor>(
      config, options, cluster_shape,
      InfoOf(options, std::move(numerics), cluster_shape.has_value(), weights.parameter_count()));
  RETURN_IF_ERROR(executor->Load(weights));
  return executor;
}

}  // namespace strided
