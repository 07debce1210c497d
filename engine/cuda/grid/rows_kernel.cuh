// All layers of a decode step of several rows: clusters of blocks.

#ifndef STRIDED_ENGINE_CUDA_GRID_ROWS_KERNEL_CUH_
#define STRIDED_ENGINE_CUDA_GRID_ROWS_KERNEL_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/grid/rows_block.cuh"
#include "engine/cuda/grid/rows_fetching.cuh"
#include "engine/cuda/kernels/launch.h"

namespace strided::cuda::grid {

// Grid: kBlocks blocks in clusters of kClusterBlocks, all at once.
template <class S, WeightFormat kFormat, Operand kOperand, int kRows>
__global__ void __launch_bounds__(kHeadsThreads, 1)
    RowsKernel(const __grid_constant__ GridArguments a) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(16) std::byte shared[];
  using Memory = RowsMemory<S, kFormat, kOperand, kRows>;
  auto& memory = *reinterpret_cast<Memory*>(shared);
  const int block = blockIdx.x;
  LetNextGridStart();  // which waits for this one, on multiprocessors that have no block of it
  if (threadIdx.x == 0) {
    memory.tag = a.tags[block];
    a.tags[block] = memory.tag + static_cast<uint32_t>(a.n_layer);
    memory.barriers.Init(HeadsSizes<S>::kOutTiles);
  }
  cluster::SyncCluster();
  if (threadIdx.x < kThreads) {
    RowsBlock<S, Memory>(a, memory).Run(memory.tag);
  } else {
    RowsFetching<S, Memory>(a, memory).Run(memory.tag);
  }
  __syncwarp();
  cluster::SyncCluster();  // none ends while others may send it something
#endif
}

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_ROWS_KERNEL_CUH_
