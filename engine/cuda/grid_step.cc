#include "engine/cuda/grid_step.h"

#include <algorithm>
#include <cmath>

#include "engine/base/status_macros.h"
#include "engine/cuda/grid/grid_choice.h"
#include "engine/cuda/grid/heads_kernel.h"

namespace strided::cuda {

absl::StatusOr<std::unique_ptr<GridStep>> GridStep::Create(const ModelConfig& config,
                                                           const DeviceNetwork& network,
                                                           const Rows& rows, cudaStream_t stream) {
  if (!grid::HasHeads(config, network.format, network.layers)) return nullptr;
  const grid::Widths widths = grid::WidthsOf(config);
  ASSIGN_OR_RETURN(const bool runs, grid::RunsHeads(widths, network.format));
  if (!runs) return nullptr;
  auto step = std::make_unique<GridStep>(Passkey());
  step->stream_ = stream;
  step->widths_ = widths;
  step->format_ = network.format;
  grid::GridArguments& a = step->arguments_;
  a.heads = network.head_rows;
  a.tables = network.tables;
  a.sequences = rows.sequences;
  a.row_states = rows.states;
  a.hidden = rows.hidden;
  a.n_layer = config.n_layer;
  a.n_head = config.n_head;
  a.activation = config.activation;
  a.norm_epsilon = network.layers.front().attn_norm.epsilon;  // all layers'
  a.norm_mean_share = network.layers.front().attn_norm.mean_share;
  if (config.attention_scale == AttentionScale::kInverseSqrt) {
    a.scale = 1.0F / std::sqrt(static_cast<float>(config.d_key));
  }
  RETURN_IF_ERROR(step->Allocate(network));
  return step;
}

absl::Status GridStep::Allocate(const DeviceNetwork& network) {
  ASSIGN_OR_RETURN(layers_, DeviceBuffer<DeviceLayer>::Create(network.layers.size()));
  RETURN_IF_ERROR(layers_.CopyFrom(network.layers, stream_));
  // Those of 8 rows are twice those of 4, and so on. No tag is kEmptyWord.
  ASSIGN_OR_RETURN(cells_, DeviceBuffer<grid::Cell>::Create(
                               static_cast<size_t>(2 * grid::CellsOf(widths_, grid::kMostRows))));
  static_assert(grid::kEmptyWord == 0xFFFFFFFF);
  RETURN_IF_ERROR(cells_.Fill(std::byte{0xFF}, stream_));
  ASSIGN_OR_RETURN(tags_, DeviceBuffer<uint32_t>::Create(2 * grid::kMostRows * grid::kBlocks));
  RETURN_IF_ERROR(tags_.Fill(std::byte{0}, stream_));
  ASSIGN_OR_RETURN(error_, DeviceBuffer<int32_t>::Create(1));
  RETURN_IF_ERROR(error_.Fill(std::byte{0}, stream_));
  ASSIGN_OR_RETURN(error_host_, PinnedBuffer<int32_t>::Create(1));
  *error_host_.data() = 0;
  arguments_.layers = layers_.data();
  arguments_.cells = cells_.data();
  arguments_.tags = tags_.data();
  arguments_.error = error_.data();
  return absl::OkStatus();
}

std::optional<GridStep::Step> GridStep::Take(int rows, std::span<const int> chunks) const {
  const grid::GridStepShape shape = {
      .widths = widths_, .rows = rows, .chunks = *std::max_element(chunks.begin(), chunks.end())};
  if (!grid::TakesHeads(shape)) return std::nullopt;
  return Step{.rows = rows, .chunks = shape.chunks};
}

absl::Status GridStep::Enqueue(const Step& step) {
  grid::GridArguments a = arguments_;
  a.rows = step.rows;
  a.chunks = step.chunks;
  // Each kernel counts layers for itself.
  a.cells += grid::CellsOf(widths_, step.rows);
  a.tags += grid::RowsOfKernel(step.rows) * grid::kBlocks;
  return grid::LaunchHeads(widths_, format_, a, stream_);
}

absl::Status GridStep::EnqueueCheck() {
  return CudaError(cudaMemcpyAsync(error_host_.data(), error_.data(), sizeof(int32_t),
                                   cudaMemcpyDeviceToHost, stream_),
                   "copying the error word");
}

absl::Status GridStep::Check() const { return grid::StatusOfErrorWord(*error_host_.data()); }

}  // namespace strided::cuda
