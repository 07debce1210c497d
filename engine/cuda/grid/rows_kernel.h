// The kernels of heads for 2 to 8 rows. Rows are columns of their products, keys and values come as
// streams. What launches them is heads_kernel.h.

#ifndef STRIDED_ENGINE_CUDA_GRID_ROWS_KERNEL_H_
#define STRIDED_ENGINE_CUDA_GRID_ROWS_KERNEL_H_

#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/grid_sizes.h"
#include "engine/cuda/kernels/cluster_launch.h"
#include "engine/model/weight_format.h"

namespace strided::cuda::grid {

struct HeadsLaunch {
  void (*kernel)(GridArguments) = nullptr;
  ClusterShape shape;
};

// Of a step of `rows` rows, 2 to kMostRows; its kernel null where the shape has none.
HeadsLaunch RowsLaunchOf(const Widths& widths, WeightFormat format, int rows);

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_ROWS_KERNEL_H_
