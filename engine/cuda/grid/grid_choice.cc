#include "engine/cuda/grid/grid_choice.h"

#include <algorithm>
#include <cstdint>

#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/heads_sizes.h"

namespace strided::cuda::grid {

Widths WidthsOf(const ModelConfig& config) {
  return {config.d_model, config.d_ff, config.d_key, config.d_value};
}

bool HasHeads(const ModelConfig& config, WeightFormat format, std::span<const DeviceLayer> layers) {
  if (format == WeightFormat::kFloat32) return false;
  if (config.n_head * config.d_value != config.d_model) return false;
  const bool has_norms = std::all_of(layers.begin(), layers.end(), [](const DeviceLayer& layer) {
    return layer.attn_norm.weight != nullptr && layer.mlp_norm.weight != nullptr;
  });
  return has_norms &&
         VisitSizes([&](auto sizes) { return decltype(sizes)::kWidths == WidthsOf(config); });
}

bool TakesHeads(const GridStepShape& step) {
  if (step.rows == 1) return kGroup / step.widths.d_value * step.chunks <= kUnits;
  return step.rows <= kMostRows && step.chunks <= kMostChunks;
}

int RowsOfKernel(int rows) {
  int of_kernel = 1;
  while (of_kernel < rows) of_kernel *= 2;
  return of_kernel;
}

int64_t CellsOf(const Widths& widths, int rows) {
  int64_t cells = 0;
  VisitSizes([&](auto sizes) {
    if (decltype(sizes)::kWidths != widths) return false;
    // One row's take two turns; those of several rows, half a cell for a sum, four.
    cells = int64_t{2} * CellsOfLayer(sizes) * RowsOfKernel(rows);
    return true;
  });
  static_assert(kRowTurns == 4);
  return cells;
}

}  // namespace strided::cuda::grid
