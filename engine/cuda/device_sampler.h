// A sequence's sampling, packed for the kernels.

#ifndef STRIDED_ENGINE_CUDA_DEVICE_SAMPLER_H_
#define STRIDED_ENGINE_CUDA_DEVICE_SAMPLER_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/device_buffer.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/executor.h"

namespace strided::cuda {

// Owns the device memory of one sequence's lists, in one part; a sequence without lists has none.
// Not thread-safe.
class SequenceSampler {
 public:
  // `spec.sampling` must be valid (ValidateSampling). What is copied to the device is there for
  // work that `stream` gets later. ResourceExhausted where memory does not suffice; Internal where
  // the device fails.
  static absl::StatusOr<SequenceSampler> Create(const SequenceSpec& spec, cudaStream_t stream);

  // Pointers into this object's memory: valid as long as it lives, moved or not. Without a history,
  // which is the caller's to add.
  const DeviceSampler& device() const { return device_; }

 private:
  SequenceSampler() = default;

  // [bias_count] ids, then [allowed_count] ids, then [bias_count] float32 values.
  DeviceBuffer<int32_t> lists_;
  DeviceSampler device_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_DEVICE_SAMPLER_H_
