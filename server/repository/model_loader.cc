#include "server/repository/model_loader.h"

#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/base/file.h"
#include "engine/base/sha256.h"
#include "engine/base/status_macros.h"
#include "engine/cpu/cpu_executor.h"
#include "engine/cpu/kernels/kernels.h"
#include "engine/model/strict_json.h"
#include "engine/step.h"

namespace strided {
namespace {

constexpr int64_t kMaxConfigBytes = int64_t{1} << 20;

bool HasBfloat16Dot() {
  return AvailableKernels().back().bfloat16_form == ProductForm::kBfloat16Dot;
}

WeightFormat FormatOf(absl::string_view name) {
  if (name == "int8") return WeightFormat::kInt8;
  return name == "bfloat16" ? WeightFormat::kBfloat16 : WeightFormat::kFloat32;
}

}  // namespace

absl::Status CheckDevice(absl::string_view device) {
  if (device == "auto" || device == "cpu") return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "device is \"", device, "\", which this program was built without; expected auto or cpu"));
}

absl::StatusOr<StoredModel> ReadModel(const std::string& directory) {
  const std::string path = directory + "/config.json";
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kMaxConfigBytes));
  ASSIGN_OR_RETURN(ModelConfig config, ModelConfig::FromJson(text, path));
  ASSIGN_OR_RETURN(const nlohmann::json document, ParseStrictJson(text));
  ASSIGN_OR_RETURN(Weights weights, Weights::Load(directory, config));
  return StoredModel{
      .config = std::move(config), .config_text = document.dump(), .weights = std::move(weights)};
}

std::string ChooseWeightFormat(absl::string_view requested, const ModelConfig& config,
                               const Weights& weights, bool bfloat16_dot) {
  if (requested != "auto") return std::string(requested);
  bool all_bfloat16 = true;
  bool all_narrow = true;  // bfloat16 or float16
  for (const TensorSpec& spec : TensorCatalog(config)) {
    const Tensor* const tensor = weights.Find(spec.name);
    if (tensor == nullptr || tensor->shape.size() < 2) continue;  // no matrix
    if (tensor->dtype == DType::kInt8) return "int8";
    all_bfloat16 = all_bfloat16 && tensor->dtype == DType::kBfloat16;
    all_narrow = all_narrow && tensor->dtype != DType::kFloat32;
  }
  return all_bfloat16 || (all_narrow && bfloat16_dot) ? "bfloat16" : "float32";
}

absl::StatusOr<std::unique_ptr<Executor>> CreateExecutor(const StoredModel& model,
                                                         const ModelOptions& options) {
  RETURN_IF_ERROR(CheckDevice(options.device));
  const SchedulerOptions& scheduling = options.scheduling;
  CpuOptions cpu;
  cpu.weight_format = FormatOf(
      ChooseWeightFormat(options.weight_format, model.config, model.weights, HasBfloat16Dot()));
  cpu.threads = options.threads;
  cpu.max_rows = scheduling.max_sequences + scheduling.prefill_rows_per_step;
  cpu.max_slots = scheduling.max_sequences;
  cpu.cache_capacity_bytes = options.cache_bytes;
  return CreateCpuExecutor(model.config, model.weights, cpu);
}

absl::Status WarmUp(Executor& executor) {
  SequenceSpec spec;
  spec.max_length = 1;
  spec.condition_values.assign(executor.config().conditions.size(), 0);
  ASSIGN_OR_RETURN(const Slot slot, executor.StartSequence(spec));
  StepPlan plan;
  plan.rows.push_back({.slot = slot.index(),
                       .position = 0,
                       .input = kStartInput,
                       .output = RowOutput::kSample,
                       .target = 0});
  ASSIGN_OR_RETURN(const StepResult result, executor.Run(plan));
  if (result.front().finite) return absl::OkStatus();
  return absl::InternalError("the first step gave logits that are not finite");
}

absl::StatusOr<std::string> Fingerprint(const StoredModel& model, const Executor& executor) {
  constexpr size_t kDigits = 32;
  const auto bytes = [](const std::string& text) {
    return std::as_bytes(std::span<const char>(text.data(), text.size()));
  };
  // The weights' part has a fixed length, and JSON ends where it ends: no two triples agree.
  const std::array<std::span<const std::byte>, 3> parts = {bytes(model.config_text),
                                                           bytes(model.weights.fingerprint()),
                                                           bytes(executor.info().numerics)};
  ASSIGN_OR_RETURN(const std::string digest, Sha256Hex(parts));
  return digest.substr(0, kDigits);
}

}  // namespace strided
