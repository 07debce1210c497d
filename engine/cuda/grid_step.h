// The layers of decode steps of few rows as one kernel (grid/heads_kernel.h): their memory,
// launches.

#ifndef STRIDED_ENGINE_CUDA_GRID_STEP_H_
#define STRIDED_ENGINE_CUDA_GRID_STEP_H_

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/device_buffer.h"
#include "engine/cuda/device_network.h"
#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/grid_choice.h"
#include "engine/cuda/grid/grid_sizes.h"
#include "engine/cuda/pinned_buffer.h"
#include "engine/model/config.h"

namespace strided::cuda {

// Not thread-safe; all device work goes to one stream. What it is made of outlives it.
class GridStep {
  class Passkey {  // leaves construction to Create
    friend GridStep;
    Passkey() = default;
  };

 public:
  // In device memory: sequences by slot, the step's rows, their residual stream.
  struct Rows {
    const DeviceSequence* sequences = nullptr;
    const DecodeRow* states = nullptr;
    float* hidden = nullptr;  // [rows][d_model]
  };

  explicit GridStep(Passkey) {}

  // Null where the network, with caches of the operand's type, or the current device has no such
  // kernel. Takes memory for what blocks tell each other; ResourceExhausted where there is none.
  static absl::StatusOr<std::unique_ptr<GridStep>> Create(const ModelConfig& config,
                                                          const DeviceNetwork& network,
                                                          const Rows& rows, cudaStream_t stream);

  // A step that it takes.
  struct Step {
    int rows = 0;
    int chunks = 0;  // the most of any query
  };
  // Null where it is not to take a step of `rows` rows; `chunks`: of keys, by layer.
  std::optional<Step> Take(int rows, std::span<const int> chunks) const;
  // The step's rows, embedded, through all layers. Internal where the device fails.
  absl::Status Enqueue(const Step& step);

  // Has what Status says come to the host in the stream's order.
  absl::Status EnqueueCheck();
  // Internal where a kernel before EnqueueCheck has waited in vain. After the stream's end.
  absl::Status Check() const;

  int64_t workspace_bytes() const { return layers_.bytes() + cells_.bytes() + tags_.bytes(); }

 private:
  absl::Status Allocate(const DeviceNetwork& network);

  cudaStream_t stream_ = nullptr;  // not owned
  grid::Widths widths_;
  WeightFormat format_ = WeightFormat::kBfloat16;
  grid::GridArguments arguments_;  // but for rows and chunks
  DeviceBuffer<DeviceLayer> layers_;
  DeviceBuffer<grid::Cell> cells_;
  DeviceBuffer<uint32_t> tags_;
  DeviceBuffer<int32_t> error_;
  PinnedBuffer<int32_t> error_host_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_GRID_STEP_H_
