// All layers of one row's decode step: clusters of blocks.

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_KERNEL_CUH_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_KERNEL_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/grid/heads_block.cuh"
#include "engine/cuda/grid/heads_fetching.cuh"
#include "engine/cuda/kernels/launch.h"

namespace strided::cuda::grid {

// A block of heads, of all layers.
template <class S, class Memory>
__device__ __forceinline__ void RunHeadsBlock(const GridArguments& a, Memory& memory,
                                              const Wait& wait, uint32_t tag) {
  if (threadIdx.x == 0) InitBarriers<S>(memory.barriers);
  cluster::SyncCluster();
  if (threadIdx.x < kThreads) {
    HeadsBlock<S, Memory>(a, memory, wait).Run(tag);
  } else {
    HeadsFetching<S, Memory>(a, memory).Run();
  }
  __syncwarp();
  cluster::SyncCluster();  // none ends while others may send it something
}

// Grid: kBlocks blocks in clusters of kClusterBlocks, all at once.
template <class S, WeightFormat kFormat, Operand kOperand>
__global__ void __launch_bounds__(kHeadsThreads, 1)
    HeadsKernel(const __grid_constant__ GridArguments a) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(16) std::byte shared[];
  auto& memory = *reinterpret_cast<HeadsMemory<S, kFormat, kOperand>*>(shared);
  const int block = blockIdx.x;
  const Wait wait(a.error, ErrorWordOf(block, static_cast<int>(threadIdx.x) / 32));
  const uint32_t tag = a.tags[block];
  LetNextGridStart();  // which waits for this one, on multiprocessors that have no block of it
  __syncthreads();
  if (threadIdx.x == 0) a.tags[block] = tag + static_cast<uint32_t>(a.n_layer);
  RunHeadsBlock<S>(a, memory, wait, tag);
#endif
}

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_KERNEL_CUH_
