#include "engine/cuda/grid_step.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/base/status_macros.h"
#include "engine/cuda/grid/grid_choice.h"
#include "engine/cuda/grid/grid_kernel.h"
#include "engine/cuda/grid/heads_kernel.h"
#include "engine/cuda/kernels/current_device.h"

namespace strided::cuda {

absl::StatusOr<std::unique_ptr<GridStep>> GridStep::Create(const ModelConfig& config,
                                                           const DeviceNetwork& network,
                                                           const Rows& rows, cudaStream_t stream) {
  ASSIGN_OR_RETURN(const CurrentDevice device, CurrentDevice::Find());
  if (!grid::HasGridKernel(config, network.format, network.layers, device.multiprocessors)) {
    return nullptr;
  }
  const grid::Widths widths = grid::WidthsOf(config);
  ASSIGN_OR_RETURN(const bool runs, grid::RunsGrid(widths, network.format));
  if (!runs) return nullptr;
  ASSIGN_OR_RETURN(const bool runs_heads, grid::RunsHeads(widths, network.format));
  auto step = std::make_unique<GridStep>(Passkey());
  step->stream_ = stream;
  step->multiprocessors_ = device.multiprocessors;
  step->widths_ = widths;
  step->format_ = network.format;
  step->runs_heads_ = runs_heads;
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
  // Of either kernel.
  ASSIGN_OR_RETURN(
      cells_, DeviceBuffer<grid::Cell>::Create(static_cast<size_t>(2 * grid::CellsOf(widths_))));
  // No tag is 0.
  RETURN_IF_ERROR(cells_.Fill(std::byte{0}, stream_));
  ASSIGN_OR_RETURN(tags_,
                   DeviceBuffer<uint32_t>::Create(static_cast<size_t>(5 * multiprocessors_)));
  RETURN_IF_ERROR(tags_.Fill(std::byte{0}, stream_));
  if (runs_heads_) {
    // Those of 8 rows are twice those of 4, and so on.
    const int64_t cells = 2 * grid::RowCellsOf(widths_, grid::kMostRows);
    ASSIGN_OR_RETURN(row_cells_, DeviceBuffer<grid::Cell>::Create(static_cast<size_t>(cells)));
    static_assert(grid::kEmptyWord == 0xFFFFFFFF);
    RETURN_IF_ERROR(row_cells_.Fill(std::byte{0xFF}, stream_));
  }
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
  const bool heads = runs_heads_ && grid::TakesHeads(shape);
  if (!heads && !grid::TakesGrid(shape, multiprocessors_)) return std::nullopt;
  return Step{.rows = rows, .chunks = shape.chunks, .embeds = heads};
}

absl::Status GridStep::Enqueue(const Step& step) {
  grid::GridArguments a = arguments_;
  a.rows = step.rows;
  a.chunks = step.chunks;
  if (!step.embeds) return grid::LaunchGrid(widths_, format_, a, stream_);
  // Each kernel counts layers for itself.
  const int rows = grid::RowsOfKernel(step.rows);
  a.tags += std::bit_width(static_cast<unsigned>(rows)) * multiprocessors_;
  if (rows == 1) {
    a.cells += grid::CellsOf(widths_);
  } else {
    a.cells = row_cells_.data() + grid::RowCellsOf(widths_, rows);
  }
  return grid::LaunchHeads(widths_, format_, a, stream_);
}

absl::Status GridStep::EnqueueCheck() {
  return CudaError(cudaMemcpyAsync(error_host_.data(), error_.data(), sizeof(int32_t),
                                   cudaMemcpyDeviceToHost, stream_),
                   "copying the error word");
}

absl::Status GridStep::Check() const { return grid::StatusOfErrorWord(*error_host_.data()); }

}  // namespace strided::cuda
