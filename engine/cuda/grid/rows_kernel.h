// The kernels of heads for 2 to 8 rows. Rows are columns of their products, keys and values come as
// streams. What launches them is heads_kernel.h.

#ifndef STRIDED_ENGINE_CUDA_GRID_ROWS_KERNEL_H_
#define STRIDED_ENGINE_CUDA_GRID_ROWS_KERNEL_H_

#include <cstddef>

#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/grid_sizes.h"
#include "engine/cuda/grid/heads_sizes.h"
#include "engine/cuda/kernels/cluster_launch.h"
#include "engine/model/weight_format.h"

namespace strided::cuda::grid {

struct HeadsLaunch {
  void (*kernel)(GridArguments) = nullptr;
  ClusterShape shape;

  // Of a kernel whose blocks take `shared_bytes` of shared memory.
  static HeadsLaunch Of(void (*its_kernel)(GridArguments), size_t shared_bytes) {
    HeadsLaunch launch;
    launch.kernel = its_kernel;
    launch.shape.cluster = dim3(kClusterBlocks);
    launch.shape.grid = dim3(kBlocks);
    launch.shape.threads = kHeadsThreads;
    launch.shape.shared_bytes = shared_bytes;
    return launch;
  }
};

// Of a step of `rows` rows, 2 to kMostRows; its kernel null where the shape has none.
HeadsLaunch RowsLaunchOf(const Widths& widths, WeightFormat format, int rows);

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_ROWS_KERNEL_H_
