#include "engine/cuda/grid/grid_choice.h"

#include <algorithm>
#include <cstdint>

#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/heads_sizes.h"

namespace strided::cuda::grid {
namespace {

// Whether the kernels of halves (decode_attend.h) take the step, and are faster.
bool HasHalves(const GridStepShape& step) {
  constexpr int kRowsOfHalves = 4;
  return step.widths.d_key == 32 && step.chunks == 1 && step.rows <= kRowsOfHalves;
}

}  // namespace

Widths WidthsOf(const ModelConfig& config) {
  return {config.d_model, config.d_ff, config.d_key, config.d_value};
}

bool HasGridKernel(const ModelConfig& config, WeightFormat format,
                   std::span<const DeviceLayer> layers, int multiprocessors) {
  if (format == WeightFormat::kFloat32) return false;
  if (config.n_head * config.d_value != config.d_model) return false;
  const bool has_norms = std::all_of(layers.begin(), layers.end(), [](const DeviceLayer& layer) {
    return layer.attn_norm.weight != nullptr && layer.mlp_norm.weight != nullptr;
  });
  return has_norms && VisitSizes([&](auto sizes) {
           return decltype(sizes)::kWidths == WidthsOf(config) &&
                  RolesOf(sizes).blocks() <= multiprocessors;
         });
}

bool TakesGrid(const GridStepShape& step, int multiprocessors) {
  constexpr int kMostChunksOfFourBlocks = 7;
  if (step.rows > kMostRows || step.chunks > kMostChunks || HasHalves(step)) return false;
  const int queries = step.rows * (step.widths.d_model / step.widths.d_value);
  return 4 * queries * step.chunks <= kMostChunksOfFourBlocks * multiprocessors;
}

bool TakesHeads(const GridStepShape& step) {
  if (step.widths.d_value > kGroup) return false;
  if (step.rows == 1) return kGroup / step.widths.d_value * step.chunks <= kUnits;
  return step.rows <= kMostRows && step.chunks <= kMostChunks;
}

int RowsOfKernel(int rows) {
  int of_kernel = 1;
  while (of_kernel < rows) of_kernel *= 2;
  return of_kernel;
}

int64_t RowCellsOf(const Widths& widths, int rows) {
  // Sums of the clusters, then of the warps of down, each of d_model elements a row, half a cell.
  const int terms = widths.d_model / kGroup + kWarps;
  return int64_t{kRowTurns} * terms * widths.d_model * RowsOfKernel(rows) / 2;
}

int64_t CellsOf(const Widths& widths) {
  int64_t cells = 0;
  VisitSizes([&](auto sizes) {
    if (decltype(sizes)::kWidths != widths) return false;
    cells = int64_t{2} * kMostRows * CountsOf(sizes).row();
    return true;
  });
  return cells;
}

}  // namespace strided::cuda::grid
