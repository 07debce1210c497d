// A way through the network for generated tokens: one position of each of many sequences, several
// steps a call.

#ifndef STRIDED_ENGINE_CUDA_DECODE_PATH_H_
#define STRIDED_ENGINE_CUDA_DECODE_PATH_H_

#include <cstdint>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/outputs.h"

namespace strided::cuda {

// Not thread-safe.
class DecodePath {
 public:
  virtual ~DecodePath() = default;

  // Makes room for `top_logprobs` alternatives per result. ResourceExhausted where memory does not
  // suffice.
  virtual absl::Status ReserveTop(int top_logprobs) = 0;

  // Enqueues rows[r].steps_left steps of each row; returns before they are done. Each slot once;
  // the rows with the most steps first. Beside prompts it leaves them as much of the device as
  // costs itself little. Internal where the device fails. Requires that what was started is
  // finished.
  virtual absl::Status Start(std::span<const DecodeRow> rows, bool beside_prompts) = 0;
  // Waits for what was started; `work` is called before the wait. Internal where the device fails.
  virtual absl::Status Finish(absl::FunctionRef<void()> work) = 0;

  // What was last finished gave, by row and step.
  virtual const Outputs& outputs() const = 0;

  // Device memory, without the network's.
  virtual int64_t workspace_bytes() const = 0;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_DECODE_PATH_H_
