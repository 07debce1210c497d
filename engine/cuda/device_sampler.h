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

// Owns the device memory of one sequence's sampler: its lists, and its history of 4 bytes per
// vocabulary entry. The history is kept without penalties too: a fork may have some. Not
// thread-safe.
class SequenceSampler {
 public:
  // An empty history. `spec.sampling` must be valid (ValidateSampling). What is copied to the
  // device is there for work that `stream` gets later. ResourceExhausted where memory does not
  // suffice; Internal where the device fails.
  static absl::StatusOr<SequenceSampler> Create(const SequenceSpec& spec, int vocab_size,
                                                cudaStream_t stream);

  // Pointers into this object's memory: valid as long as it lives, moved or not.
  const DeviceSampler& device() const { return device_; }

  // Takes over what `parent` has observed in `stream`'s order, for a sequence that continues it.
  // Requires the parent's vocab_size and prompt_length.
  absl::Status InheritHistory(const SequenceSampler& parent, cudaStream_t stream) {
    return history_.CopyFrom(parent.history_, stream);
  }

 private:
  SequenceSampler() = default;

  DeviceBuffer<int32_t> history_;    // [vocab]
  DeviceBuffer<int32_t> ids_;        // [bias_count] ids, then [allowed_count] ids
  DeviceBuffer<float> bias_values_;  // [bias_count]
  DeviceSampler device_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_DEVICE_SAMPLER_H_
