// From logits to tokens on the device: engine/sampling, bit for bit.
//
// Equal logits give the token, the log-probability and the alternatives that Sampler and LogProbs
// give on the CPU: the arithmetic after one exp in fixed operations is integer (soft_maximum.h).

#ifndef STRIDED_ENGINE_CUDA_KERNELS_SAMPLE_H_
#define STRIDED_ENGINE_CUDA_KERNELS_SAMPLE_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda {

// All pointers are into device memory. Row r of step s has result entry s * max_rows + r.
struct SampleArguments {
  const float* logits = nullptr;              // [rows][vocab_size]
  DecodeRow* rows_state = nullptr;            // [rows]
  const DeviceSequence* sequences = nullptr;  // by slot
  RowResult* results = nullptr;               // [steps][max_rows]
  int32_t* top_ids = nullptr;    // [steps][max_rows][top_stride]; null where top_stride is 0
  float* top_values = nullptr;   // the same
  int top_stride = 0;            // >= every row's top_logprobs
  std::byte* scratch = nullptr;  // SampleScratchBytes(rows, vocab_size)
  int rows = 0;
  int max_rows = 0;
  int vocab_size = 0;
};

// Bytes of scratch memory that LaunchSample needs.
int64_t SampleScratchBytes(int rows, int vocab_size);

// For each row that is not idle: the result that its output asks for; then the row moves on: its
// drawn token becomes the next input, position and step go up by one, and a row without steps left,
// or that did not draw, becomes idle (slot -1). One block per row. Part of a CUDA graph with
// programmatic dependent launch: waits for the grid before it where `dependent`.
absl::Status LaunchSample(const SampleArguments& arguments, bool dependent, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_SAMPLE_H_
