// Many consecutive positions of one or more sequences through the whole network at once: prompts,
// replays and scores.
//
// Child et al. 2019, section 5.2, as engine/cpu/transformer.h writes it down. What a row gives, and
// what it leaves in the caches, is the same bits however a prompt is cut into calls and whatever
// else is in a call. It need not be the bits of a decode step.

#ifndef STRIDED_ENGINE_CUDA_PREFILL_H_
#define STRIDED_ENGINE_CUDA_PREFILL_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/device_buffer.h"
#include "engine/cuda/device_network.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/kernels/prefill_attention.h"
#include "engine/cuda/kernels/prefill_inputs.h"
#include "engine/cuda/kernels/prefill_rows.h"
#include "engine/cuda/kernels/wide_product.h"
#include "engine/cuda/staged_table.h"
#include "engine/model/config.h"

namespace strided::cuda {

// Positions first_position, first_position + 1, ... of the sequence in `slot`.
struct PrefillRun {
  int slot = 0;
  int first_position = 0;           // t of the first: all before it have been run
  std::span<const int32_t> inputs;  // x(t-1), one per row, in host memory; kStartInput at t = 0
};

// Owns the activations of a call. Used by one thread at a time, on one stream. Move only.
class Prefill {
 public:
  struct Options {
    int max_rows = 0;          // of a call
    bool int8_caches = false;  // else in the operand's type
  };
  // On the current device; `stream` clears the memory. Rows and
  // caches, but for int8 ones, hold OperandOf(network.format). ResourceExhausted where memory does
  // not suffice. `network`'s memory outlives the result.
  static absl::StatusOr<Prefill> Create(const ModelConfig& config, const DeviceNetwork& network,
                                        const Options& options, cudaStream_t stream);

  // Enqueues the rows of all runs, in order; returns before they are done. Keys and values go to
  // the sequences' caches; penalties and samplers are left alone. `sequences` is in device memory,
  // by slot. InvalidArgument for no rows or more than max_rows. Requires that each slot comes once,
  // and that inputs and positions fit the model and the sequence.
  absl::Status Run(std::span<const PrefillRun> runs, const DeviceSequence* sequences,
                   cudaStream_t stream);

  // The residual stream after the last layer of the last Run's rows, float32 [rows][d_model], in
  // device memory; valid until the next Run.
  const float* hidden() const { return hidden_.data(); }

  // Enqueues the logits of some of the last Run's rows, by number: out [rows.size()][vocab_size]
  // float32, in device memory. Whoever has many rows asks piece by piece; nothing else grows.
  // InvalidArgument for more than max_rows rows; none is fine.
  absl::Status Logits(std::span<const int32_t> rows, float* out, cudaStream_t stream);

  int max_rows() const { return options_.max_rows; }
  // Of device memory, in all.
  int64_t workspace_bytes() const;

 private:
  // Rows of the operand's type, each padded with zeros to whole steps of a product.
  struct Rows {
    DeviceBuffer<std::byte> memory;
    int64_t stride = 0;  // elements
  };
  // Layers with equal patterns share their plan.
  struct LayerKind {
    std::vector<HeadRows> heads;
    bool merges = false;   // has local_strided heads
    AttentionGrids grids;  // of the current Run
  };

  Prefill(const ModelConfig& config, const DeviceNetwork& network, const Options& options);
  void FindLayerKinds();
  absl::StatusOr<Rows> CreateRows(int width, cudaStream_t stream) const;
  absl::Status Allocate(cudaStream_t stream);

  absl::Status SendRows(std::span<const PrefillRun> runs, cudaStream_t stream);
  absl::Status RunLayer(int index, const DeviceSequence* sequences, cudaStream_t stream);
  NormRows NormOf(const DeviceNorm& norm, int rows) const;  // of the residual stream
  // Keys and values to the caches, and `norm` of the residual stream.
  absl::Status StoreKeys(const PrefillAttention& attention, const NormRows& norm,
                         cudaStream_t stream);
  absl::Status AddToHidden(const DeviceMatrix& matrix, const Rows& in, cudaStream_t stream);
  absl::Status Multiply(const WideProduct& product, cudaStream_t stream);
  PrefillAttention AttentionOf(int layer, const DeviceSequence* sequences) const;

  // Constant after construction.
  ModelConfig config_;
  DeviceNetwork network_;
  Operand operand_;
  Options options_;
  std::vector<int> kind_of_layer_;

  std::vector<LayerKind> kinds_;
  std::vector<RowRun> runs_;      // of the current Run
  std::vector<PrefillRow> rows_;  // of the current Run
  StagedTable<RowRun> device_runs_;
  StagedTable<PrefillRow> device_rows_;
  StagedTable<int32_t> wanted_rows_;  // of Logits
  DeviceBuffer<float> hidden_;        // [max_rows][d_model]
  DeviceBuffer<float> partial_;       // PrefillAttention::partial
  DeviceBuffer<float2> scales_;       // PrefillAttention::scales
  Rows normed_;                       // [d_model]
  Rows qkv_;                          // [head][query, key, value]
  Rows mixed_;                        // [head][d_value]: what attention gives
  Rows expanded_;                     // [d_ff]
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_PREFILL_H_
