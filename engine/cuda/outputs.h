// From logits to results in host memory: what decode steps and prefills share.

#ifndef STRIDED_ENGINE_CUDA_OUTPUTS_H_
#define STRIDED_ENGINE_CUDA_OUTPUTS_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/device_buffer.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/kernels/sample.h"
#include "engine/cuda/pinned_buffer.h"

namespace strided::cuda {

// The states, logits and results of up to max_rows rows over up to max_steps steps. Not
// thread-safe; all device work goes to one stream.
class Outputs {
  class Passkey {  // leaves construction to Create
    friend Outputs;
    Passkey() = default;
  };

 public:
  struct Options {
    int max_rows = 256;
    int max_steps = 1;
    int vocab_size = 0;
  };

  Outputs(Passkey, const Options& options, const DeviceSequence* sequences, cudaStream_t stream)
      : options_(options), sequences_(sequences), stream_(stream) {}

  // Takes the memory on the current device. The stream and `sequences`, by slot in device memory,
  // outlive it. ResourceExhausted where memory does not suffice.
  static absl::StatusOr<std::unique_ptr<Outputs>> Create(const Options& options,
                                                         const DeviceSequence* sequences,
                                                         cudaStream_t stream);

  // Makes room for `top_logprobs` alternatives per result; true where that has moved what
  // EnqueueSample uses. Errors as for Create.
  absl::StatusOr<bool> ReserveTop(int top_logprobs);

  // Sends the rows, and idle ones after them up to `count`.
  absl::Status SendRows(std::span<const DecodeRow> rows, int count);
  // The kernel that ends a step of `count` rows, dependent on the one before it in the stream.
  absl::Status EnqueueSample(int count);
  // The same kernel's arguments, for one that draws by itself.
  SampleArguments sample_arguments(int count) const;
  // Calls `work`, then waits for the stream, with the results of `steps` steps in host memory.
  absl::Status Fetch(int steps, absl::FunctionRef<void()> work);

  // Device memory: [max_rows], and [max_rows][vocab_size] float32.
  const DecodeRow* rows() const { return rows_.data(); }
  float* logits() const { return logits_.data(); }

  // What Fetch has fetched, valid until the next.
  const RowResult& result(int row, int step) const { return results_host_.data()[At(row, step)]; }
  std::span<const int32_t> top_ids(int row, int step, int count) const {
    return {top_ids_host_.data() + At(row, step) * top_stride_, static_cast<size_t>(count)};
  }
  std::span<const float> top_values(int row, int step, int count) const {
    return {top_values_host_.data() + At(row, step) * top_stride_, static_cast<size_t>(count)};
  }

  int64_t bytes() const;  // of device memory

 private:
  size_t At(int row, int step) const {
    return static_cast<size_t>(step) * static_cast<size_t>(options_.max_rows) +
           static_cast<size_t>(row);
  }

  const Options options_;
  const DeviceSequence* const sequences_;
  const cudaStream_t stream_;  // not owned

  DeviceBuffer<DecodeRow> rows_;     // [max_rows]
  DeviceBuffer<float> logits_;       // [max_rows][vocab_size]
  DeviceBuffer<std::byte> scratch_;  // of sampling
  DeviceBuffer<RowResult> results_;  // [max_steps][max_rows]
  DeviceBuffer<int32_t> top_ids_;    // [max_steps][max_rows][top_stride_]
  DeviceBuffer<float> top_values_;   // the same
  PinnedBuffer<DecodeRow> rows_host_;
  PinnedBuffer<RowResult> results_host_;
  PinnedBuffer<int32_t> top_ids_host_;
  PinnedBuffer<float> top_values_host_;
  size_t top_stride_ = 0;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_OUTPUTS_H_
