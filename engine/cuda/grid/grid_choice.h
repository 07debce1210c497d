// Which networks and steps have a kernel of heads. Pure.

#ifndef STRIDED_ENGINE_CUDA_GRID_GRID_CHOICE_H_
#define STRIDED_ENGINE_CUDA_GRID_GRID_CHOICE_H_

#include <cstdint>
#include <span>

#include "engine/cuda/grid/grid_sizes.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/model/config.h"

namespace strided::cuda::grid {

Widths WidthsOf(const ModelConfig& config);

// Whether there are kernels for the network, with caches of the operand's type: one of VisitSizes'
// shapes, weights of 16 or 8 bits, norms everywhere.
bool HasHeads(const ModelConfig& config, WeightFormat format, std::span<const DeviceLayer> layers);

// A step, of a network that has kernels.
struct GridStepShape {
  Widths widths;
  int rows = 0;
  int chunks = 1;  // the most that any query's keys are cut into
};

// Whether the kernels of heads (heads_kernel.h) take it, which are faster then than those of each
// layer: of one row where they have places for its chunks, of up to kMostRows where those are
// kMostChunks at most.
bool TakesHeads(const GridStepShape& step);

// The rows of the kernel of heads that a step of so many takes: 1, 2, 4 or kMostRows.
int RowsOfKernel(int rows);
// Cells of that kernel. Requires a shape that VisitSizes has.
int64_t CellsOf(const Widths& widths, int rows);

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_GRID_CHOICE_H_
