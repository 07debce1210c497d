#include "server/repository/model_loader.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/sha256.h"
#include "engine/base/status_macros.h"
#include "engine/cpu/cpu_executor.h"
#include "engine/cpu/kernels/kernels.h"
#include "engine/sequence_check.h"
#include "engine/step.h"
#include "server/repository/weight_format_choice.h"

namespace strided {
namespace {

bool HasBfloat16Dot() {
  return AvailableKernels().back().bfloat16_form == ProductForm::kBfloat16Dot;
}

// What an executor is given, whatever device it is on.
struct Place {
  WeightFormat weight_format;
  int max_rows;
  int max_slots;
  int64_t cache_bytes;
};

absl::StatusOr<CacheFormat> ParseCacheFormat(const std::string& name) {
  if (const std::optional<CacheFormat> format = CacheFormatFromName(name)) return *format;
  return absl::InvalidArgumentError(
      absl::StrCat("cache_format is \"", name, "\"; it must be auto or int8"));
}

absl::StatusOr<PlacedModel> PlaceOnProcessor(const ModelDirectory& model,
                                             const ModelOptions& options, const Place& place) {
  ASSIGN_OR_RETURN(const CacheFormat cache_format, ParseCacheFormat(options.cache_format));
  if (cache_format != CacheFormat::kAuto) {
    return absl::InvalidArgumentError(
        absl::StrCat("cache_format is ", options.cache_format, "; on a processor it must be auto"));
  }
  if (options.decode_path != "auto") {
    return absl::InvalidArgumentError(
        absl::StrCat("decode_path is ", options.decode_path, "; on a processor it must be auto"));
  }
  CpuOptions cpu;
  cpu.weight_format = place.weight_format;
  cpu.threads = options.threads;
  cpu.max_rows = place.max_rows;
  cpu.max_slots = place.max_slots;
  cpu.cache_capacity_bytes = place.cache_bytes;
  PlacedModel placed;
  ASSIGN_OR_RETURN(placed.executor, CreateCpuExecutor(model.config, model.weights, cpu));
  return placed;
}

absl::StatusOr<PlacedModel> PlaceOnGpu(const ModelDirectory& model, const ModelOptions& options,
                                       const Place& place, int ordinal, double memory_fraction) {
  CudaOptions cuda;
  ASSIGN_OR_RETURN(cuda.cache_format, ParseCacheFormat(options.cache_format));
  const std::optional<CudaDecodePath> decode_path = CudaDecodePathFromName(options.decode_path);
  if (!decode_path.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("decode_path is \"", options.decode_path,
                                                   "\"; it must be auto, graph or cluster"));
  }
  cuda.decode_path = *decode_path;
  cuda.device = ordinal;
  cuda.weight_format = place.weight_format;
  cuda.max_rows = place.max_rows;
  cuda.max_slots = place.max_slots;
  cuda.memory_fraction = memory_fraction;
  cuda.cache_capacity_bytes = place.cache_bytes;
  ASSIGN_OR_RETURN(std::unique_ptr<CudaExecutor> executor,
                   CreateCudaExecutor(model.config, model.weights, cuda));
  PlacedModel placed;
  placed.memory = executor->memory();
  placed.executor = std::move(executor);
  return placed;
}

}  // namespace

SchedulerOptions SchedulingOn(const ModelOptions& options, DeviceKind device) {
  const DeviceDefaults defaults = DefaultsOf(device);
  SchedulerOptions scheduling = options.scheduling;
  scheduling.max_sequences = options.max_sequences.value_or(defaults.max_sequences);
  scheduling.prefill_rows_per_step =
      options.prefill_rows_per_step.value_or(defaults.prefill_rows_per_step);
  return scheduling;
}

double MemoryFraction(double fraction, int models, int index) {
  const double part = fraction / models;
  return std::min(part / (1 - part * index), 1.0);  // rounding may carry the last beyond 1
}

absl::StatusOr<PlacedModel> PlaceModel(const ModelDirectory& model, const ModelOptions& options,
                                       const Device& device, double memory_fraction) {
  const SchedulerOptions scheduling = SchedulingOn(options, device.kind);
  const Place place = {
      .weight_format =
          ChooseWeightFormat(options.weight_format, FormatsOf(model.config, model.weights),
                             device.kind, HasBfloat16Dot()),
      .max_rows = scheduling.max_sequences + scheduling.prefill_rows_per_step,
      .max_slots = scheduling.max_sequences,
      .cache_bytes = options.cache_bytes.value_or(DefaultsOf(device.kind).cache_bytes)};
  if (device.kind == DeviceKind::kCpu) return PlaceOnProcessor(model, options, place);
  return PlaceOnGpu(model, options, place, device.ordinal, memory_fraction);
}

absl::Status CheckSameNumerics(std::span<const std::unique_ptr<Executor>> executors) {
  const ExecutorInfo& first = executors.front()->info();
  for (const auto& executor : executors) {
    const ExecutorInfo& info = executor->info();
    if (info.numerics == first.numerics) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(first.device, " computes by ", first.numerics, " and ", info.device, " by ",
                     info.numerics, ": their bits differ; serve them from two servers"));
  }
  return absl::OkStatus();
}

absl::Status WarmUp(Executor& executor) {
  SequenceSpec spec;
  spec.max_length = 1;
  spec.condition_values.assign(executor.config().conditions.size(), 0);
  ASSIGN_OR_RETURN(const Slot slot, executor.StartSequence(spec));
  StepPlan plan;
  plan.rows.push_back({.slot = slot.index(),
                       .position = 0,
                       .input = FirstInput(executor.config()),
                       .output = RowOutput::kSample,
                       .target = 0});
  ASSIGN_OR_RETURN(const StepResult result, executor.Run(plan));
  if (result.front().finite) return absl::OkStatus();
  return absl::InternalError("the first step gave logits that are not finite");
}

absl::StatusOr<std::optional<Tokenizer>> LoadTokenizer(const std::string& directory,
                                                       const ModelConfig& config) {
  absl::StatusOr<Tokenizer> tokenizer =
      Tokenizer::Load(absl::StrCat(directory, "/tokenizer.json"), config.vocab_size);
  if (absl::IsNotFound(tokenizer.status())) return std::nullopt;
  if (!tokenizer.ok()) return tokenizer.status();
  return *std::move(tokenizer);
}

absl::StatusOr<std::string> Fingerprint(const ModelDirectory& model, const Executor& executor,
                                        const Tokenizer* tokenizer) {
  constexpr size_t kDigits = 32;
  const auto bytes = [](const std::string& text) {
    return std::as_bytes(std::span<const char>(text.data(), text.size()));
  };
  // The weights' and the tokenizer's parts have fixed lengths, JSON ends where it ends, and
  // numerics are no digits: no two lists agree.
  const std::string none;
  const std::array<std::span<const std::byte>, 4> parts = {
      bytes(model.config_text), bytes(model.weights.fingerprint()), bytes(executor.info().numerics),
      bytes(tokenizer != nullptr ? tokenizer->digest() : none)};
  ASSIGN_OR_RETURN(const std::string digest, Sha256Hex(parts));
  return digest.substr(0, kDigits);
}

}  // namespace strided
