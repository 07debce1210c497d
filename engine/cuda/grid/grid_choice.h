// Which networks and steps have a grid kernel. Pure.

#ifndef STRIDED_ENGINE_CUDA_GRID_GRID_CHOICE_H_
#define STRIDED_ENGINE_CUDA_GRID_GRID_CHOICE_H_

#include <cstdint>
#include <span>

#include "engine/cuda/grid/grid_sizes.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/model/config.h"

namespace strided::cuda::grid {

Widths WidthsOf(const ModelConfig& config);

// Whether there is a kernel for the network, with caches of the operand's type, on a device of so
// many multiprocessors: one of VisitSizes' shapes, weights of 16 or 8 bits, norms everywhere.
bool HasGridKernel(const ModelConfig& config, WeightFormat format,
                   std::span<const DeviceLayer> layers, int multiprocessors);

// A step, of a network that has a kernel.
struct GridStepShape {
  Widths widths;
  int rows = 0;
  int chunks = 1;  // the most that any query's keys are cut into
};

// Whether its layers are faster as one kernel: up to kMostRows rows, as long as few blocks have
// more than one chunk of keys, of which only the first is there before its query. One chunk a
// query and heads of 32 are left to the kernels of halves (decode_attend.h) where these take them.
bool TakesGrid(const GridStepShape& step, int multiprocessors);

// Whether the kernels of heads (heads_kernel.h) take it, which are faster then than all others: of
// one row where they have places for its chunks, of up to kMostRows where those are kMostChunks at
// most. Requires a shape that has them (HasHeads).
bool TakesHeads(const GridStepShape& step);

// The rows of the kernel of heads that a step of so many takes: 1, 2, 4 or kMostRows.
int RowsOfKernel(int rows);
// Cells of the kernel of heads of so many rows, more than one.
int64_t RowCellsOf(const Widths& widths, int rows);

// Cells in all, of the grid kernel or of the kernel of heads of one row. Requires a shape that
// VisitSizes has.
int64_t CellsOf(const Widths& widths);

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_GRID_CHOICE_H_
