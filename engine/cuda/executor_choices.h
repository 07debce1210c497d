// What an executor's options come to, for a network on a device.

#ifndef STRIDED_ENGINE_CUDA_EXECUTOR_CHOICES_H_
#define STRIDED_ENGINE_CUDA_EXECUTOR_CHOICES_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/cluster/cluster_sizes.h"
#include "engine/cuda/cuda_executor.h"
#include "engine/executor.h"
#include "engine/model/config.h"

namespace strided::cuda {

struct ExecutorChoices {
  std::optional<cluster::Shape> cluster_shape;  // none: decode steps go by graphs
  ExecutorInfo info;
};

// Makes the device the calling thread's current one.
absl::Status UseDevice(int device);

// Checks the options, and makes their device the current one. Errors as CreateCudaExecutor's, but
// for those of weights and memory.
absl::StatusOr<ExecutorChoices> ChooseExecutor(const ModelConfig& config,
                                               const CudaOptions& options, int64_t parameter_count);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_EXECUTOR_CHOICES_H_
