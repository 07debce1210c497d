// Brings one version of a model up: reads it, puts it on a device, runs a first step.

#ifndef STRIDED_SERVER_REPOSITORY_MODEL_LOADER_H_
#define STRIDED_SERVER_REPOSITORY_MODEL_LOADER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/executor.h"
#include "engine/model/config.h"
#include "engine/model/weights.h"
#include "server/scheduling/scheduler_options.h"

namespace strided {

// How models are brought up on a device.
struct ModelOptions {
  std::string device = "auto";             // "auto", "cpu"; "cuda", "cuda:N" where built in
  std::string weight_format = "auto";      // "auto": as stored; "float32", "bfloat16", "int8"
  int threads = 0;                         // CPU threads of one executor; 0: one per core
  int64_t cache_bytes = int64_t{1} << 30;  // of all sequences of one model together
  SchedulerOptions scheduling;
};

// A version directory, read and checked.
struct StoredModel {
  ModelConfig config;
  std::string config_text;  // normalised: equal configurations written apart are equal here
  Weights weights;
};

// InvalidArgument where this program has no executor for `device`, with those that it has.
absl::Status CheckDevice(absl::string_view device);

// Errors as ModelConfig::Load and Weights::Load.
absl::StatusOr<StoredModel> ReadModel(const std::string& directory);

// The format in which an executor keeps the weights: `requested`, or for "auto" the stored one.
// Any int8 matrix: int8. All matrices bfloat16: bfloat16. All bfloat16 or float16: bfloat16 where
// `bfloat16_dot` (the processor multiplies bfloat16), else float32, which loses nothing of a
// float16. Otherwise float32.
std::string ChooseWeightFormat(absl::string_view requested, const ModelConfig& config,
                               const Weights& weights, bool bfloat16_dot);

// An executor with the model's weights. Errors as CreateCpuExecutor.
absl::StatusOr<std::unique_ptr<Executor>> CreateExecutor(const StoredModel& model,
                                                         const ModelOptions& options);

// Runs one step of one sequence, so that the first request finds memory touched and code loaded.
// Internal where the step fails or its logits are not finite: such a model would serve nothing
// else. To be called before a scheduler has the executor.
absl::Status WarmUp(Executor& executor);

// 32 hexadecimal digits of SHA-256 over configuration, weights and the executor's numerics: equal
// fingerprints give equal bits.
absl::StatusOr<std::string> Fingerprint(const StoredModel& model, const Executor& executor);

}  // namespace strided

#endif  // STRIDED_SERVER_REPOSITORY_MODEL_LOADER_H_
