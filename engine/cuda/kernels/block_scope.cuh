// Which of a block's threads do something together: how many, the thread's number among them, and
// their barrier.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_BLOCK_SCOPE_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_BLOCK_SCOPE_CUH_

#include "engine/cuda/kernels/barriers.cuh"

namespace strided::cuda {

// All threads of a one-dimensional block.
struct WholeBlock {
  static constexpr int kTeams = 1;
  static __device__ __forceinline__ int Index() { return 0; }  // of the team
  static __device__ __forceinline__ int Thread() { return static_cast<int>(threadIdx.x); }
  static __device__ __forceinline__ int Threads() { return static_cast<int>(blockDim.x); }
  static __device__ __forceinline__ void Sync() { __syncthreads(); }
};

// Each of the first kTeamsOf * kTeamThreads threads' team of so many neighbours, which meet at
// barrier 1 and on.
template <int kTeamThreads, int kTeamsOf>
struct TeamOfBlock {
  static constexpr int kTeams = kTeamsOf;
  static __device__ __forceinline__ int Index() {
    return static_cast<int>(threadIdx.x) / kTeamThreads;
  }
  static __device__ __forceinline__ int Thread() {
    return static_cast<int>(threadIdx.x) % kTeamThreads;
  }
  static __device__ __forceinline__ int Threads() { return kTeamThreads; }
  static __device__ __forceinline__ void Sync() { SyncThreads(1 + Index(), kTeamThreads); }
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_BLOCK_SCOPE_CUH_
