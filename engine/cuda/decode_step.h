// A decode step: one position of each of many sequences through the whole network, to a token.
//
//   embed -> per layer: norm + QKV + caches -> attention -> output + residual
//                       -> norm + up + f -> down + residual -> norm + head -> sample
//
// At few rows all layers are one kernel where sizes allow (grid_step.h), or a layer's MLP is
// (kernels/decode_mlp.h).
//
// Every kernel is launched dependent on the one before it, so that its launch and its reading of
// weights and older keys overlap that one's work. The kernels of a step are captured as a graph per
// number of rows (rounded up) and of attention chunks. The last kernel writes the next step's rows,
// so several steps run without the host.

#ifndef STRIDED_ENGINE_CUDA_DECODE_STEP_H_
#define STRIDED_ENGINE_CUDA_DECODE_STEP_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/decode_path.h"
#include "engine/cuda/device_buffer.h"
#include "engine/cuda/device_network.h"
#include "engine/cuda/grid_step.h"
#include "engine/cuda/kernels/decode_attention.h"
#include "engine/cuda/kernels/decode_mlp.h"
#include "engine/cuda/kernels/decode_product.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/outputs.h"
#include "engine/cuda/stream.h"
#include "engine/model/config.h"

namespace strided::cuda {

// Rows that a graph is made for: the least of 1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, then
// multiples of 64 that is at least `rows`, but not above max_rows.
int RowBucket(int rows, int max_rows);

// Not thread-safe. The network and the sequences outlive it.
class DecodeStep final : public DecodePath {
  class Passkey {  // leaves construction to Create
    friend DecodeStep;
    Passkey() = default;
  };

 public:
  struct Options {
    int max_rows = 256;        // of a step
    int max_steps = 32;        // of a call
    bool int8_caches = false;  // else in the operand's type
    bool use_grid = true;      // false: a kernel or more for each layer; for tests
    bool use_graphs = true;    // false: every kernel is launched by itself; for tests
  };

  DecodeStep(Passkey, const ModelConfig& config, const DeviceNetwork& network,
             const DeviceSequence* sequences, const Options& options, cudaStream_t stream)
      : config_(config),
        network_(network),
        sequences_(sequences),
        options_(options),
        stream_(stream) {}

  // Takes the memory for activations and results on the current device; `sequences`, by slot, is
  // in device memory. ResourceExhausted where it does not suffice.
  static absl::StatusOr<std::unique_ptr<DecodeStep>> Create(const ModelConfig& config,
                                                            const DeviceNetwork& network,
                                                            const DeviceSequence* sequences,
                                                            const Options& options,
                                                            cudaStream_t stream);

  absl::Status ReserveTop(int top_logprobs) override;
  absl::Status Start(std::span<const DecodeRow> rows, bool beside_prompts) override;
  absl::Status Finish(absl::FunctionRef<void()> work) override;
  const Outputs& outputs() const override { return *outputs_; }
  int64_t workspace_bytes() const override;

 private:
  absl::Status Allocate();

  // Chunks of each layer's attention for queries up to `position`.
  std::vector<int> ChunksOf(int position) const;
  absl::Status Enqueue(int rows, const std::vector<int>& chunks);
  absl::Status EnqueueLayers(int rows, const std::vector<int>& chunks);
  absl::Status EnqueueLayer(int index, int rows, int chunks);
  absl::Status EnqueueAttend(int index, int rows, int chunks);
  absl::Status EnqueueMlp(int index, int rows);
  // Layers follow each other in a circle: behind the last comes the first, of the next step.
  const DeviceLayer& LayerAt(int index) const;
  // Of the layer's matrix `matrix`; `next` is that of the layer after it.
  DecodeProduct ProductOf(const DeviceMatrix& matrix, const DeviceMatrix& next, int rows);
  DecodeProduct QueryKeyValueOf(int index, int rows);
  DecodeAttention AttentionOf(int index, int rows, int chunks);
  DecodeMlp MlpOf(int index, int rows) const;
  absl::Status EnqueueHead(int rows);
  absl::Status LaunchOnce(int rows, const std::vector<int>& chunks);

  const ModelConfig config_;
  const DeviceNetwork& network_;
  const DeviceSequence* const sequences_;
  const Options options_;
  const cudaStream_t stream_;  // not owned
  int multiprocessors_ = 0;
  int steps_ = 0;  // of the rows that were started last

  std::unique_ptr<Outputs> outputs_;
  DeviceBuffer<float> hidden_;        // [max_rows][d_model]
  DeviceBuffer<std::byte> normed_;    // [max_rows][d_model] operand: of many rows' products
  DeviceBuffer<float> queries_;       // [max_rows][n_head][d_key]
  DeviceBuffer<std::byte> fresh_;     // [max_rows][n_head][d_key + d_value]: for int8 caches
  DeviceBuffer<std::byte> mixed_;     // [max_rows][n_head][d_value] operand
  DeviceBuffer<std::byte> expanded_;  // [max_rows][d_ff] operand
  DeviceBuffer<float> partials_;      // attention's, for queries of several chunks
  DeviceBuffer<int32_t> arrivals_;    // [max_rows][n_head]

  std::unique_ptr<GridStep> grid_;  // null: no such kernel

  // By rows and chunks of each layer.
  std::map<std::pair<int, std::vector<int>>, Graph> graphs_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_DECODE_STEP_H_
