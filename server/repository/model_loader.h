// Brings one version of a model up: reads it, puts it on a device, runs a first step.

#ifndef STRIDED_SERVER_REPOSITORY_MODEL_LOADER_H_
#define STRIDED_SERVER_REPOSITORY_MODEL_LOADER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/checkpoint/model_directory.h"
#include "engine/cuda/cuda_executor.h"
#include "engine/executor.h"
#include "engine/text/tokenizer.h"
#include "server/repository/device.h"
#include "server/scheduling/scheduler_options.h"

namespace strided {

// How models are brought up on their devices.
struct ModelOptions {
  std::vector<std::string> devices = {"auto"};  // as ChooseDevices takes them
  std::string weight_format = "auto";           // or a WeightFormatName
  std::string decode_path = "auto";             // as CudaDecodePathFromName takes it
  std::string cache_format = "auto";            // as CacheFormatFromName takes it
  int threads = 0;                              // CPU threads of one executor; 0: one per core
  double gpu_memory_fraction = 0.9;             // (0, 1]; of what is free on a GPU, for all models
  // Each unset: what suits the device (DefaultsOf).
  std::optional<int64_t> cache_bytes = std::nullopt;  // of a model's sequences on one device
  std::optional<int> max_sequences = std::nullopt;
  std::optional<int> prefill_rows_per_step = std::nullopt;
  SchedulerOptions scheduling = {};  // for the last two, see SchedulingOn
};

// The scheduler's options on a device: options.scheduling, with max_sequences and
// prefill_rows_per_step as options say or, where they do not, as suits the device.
SchedulerOptions SchedulingOn(const ModelOptions& options, DeviceKind device);

// The part of the memory that is free when model number `index` of `models` is loaded, from 0, that
// it may take, so that all get equal parts of `fraction` of what was free before the first.
// Requires 0 <= index < models and 0 < fraction <= 1. In (0, 1].
double MemoryFraction(double fraction, int models, int index);

// A model on a device.
struct PlacedModel {
  std::unique_ptr<Executor> executor;
  std::optional<DeviceMemory> memory;  // of a GPU, as of now
};

// An executor with the model's weights on `device`, with `memory_fraction` of a GPU's free memory.
// Errors as CreateCpuExecutor and CreateCudaExecutor.
absl::StatusOr<PlacedModel> PlaceModel(const ModelDirectory& model, const ModelOptions& options,
                                       const Device& device, double memory_fraction);

// FailedPrecondition unless the executors of one model compute the same bits (ExecutorInfo): what a
// request gets must not depend on where it runs.
absl::Status CheckSameNumerics(std::span<const std::unique_ptr<Executor>> executors);

// Runs one step of one sequence, so that the first request finds memory touched and code loaded.
// Internal where the step fails or its logits are not finite: such a model would serve nothing
// else. To be called before a scheduler has the executor.
absl::Status WarmUp(Executor& executor);

// The tokenizer of the model in `directory`; none where it has no tokenizer.json. Errors as
// Tokenizer::Load.
absl::StatusOr<std::optional<Tokenizer>> LoadTokenizer(const std::string& directory,
                                                       const ModelConfig& config);

// 32 hexadecimal digits of SHA-256 over configuration, weights, the executor's numerics and, where
// there is one, the tokenizer's file: equal fingerprints give equal bits.
absl::StatusOr<std::string> Fingerprint(const ModelDirectory& model, const Executor& executor,
                                        const Tokenizer* tokenizer = nullptr);

}  // namespace strided

#endif  // STRIDED_SERVER_REPOSITORY_MODEL_LOADER_H_
