// The kernel of cluster_kernel.h: which warp of a block does what.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_STEPS_KERNEL_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_STEPS_KERNEL_CUH_

#include "engine/cuda/cluster/attention_warps.cuh"
#include "engine/cuda/cluster/compiled_kernel.h"
#include "engine/cuda/cluster/product_warps.cuh"
#include "engine/cuda/cluster/weight_ring.cuh"
#include "engine/cuda/kernels/async_copy.cuh"

namespace strided::cuda::cluster {

// By one thread, before anything else.
template <class S>
__device__ void InitBarriers(const StepArguments& a, uint32_t shared) {
  using Memory = BlockMemory<S>;
  int groups = 0;
  for (int index = 0; index < kGroups; ++index) {
    const Group<S> group(a, shared + Memory::kGroupAreas, index);
    group.Init(static_cast<int>(RankInCluster()));
    groups += group.rows > 0 ? 1 : 0;
  }
  for (int i = 0; i < kStageBarriers; ++i) {
    InitBarrier(shared + Memory::kFull + i * kBarrierBytes, 1);
    InitBarrier(shared + Memory::kEmpty + i * kBarrierBytes, groups);
  }
  PublishBarriers();
}

template <class S>
__device__ void RunWarp(const StepArguments& a, std::byte* memory, uint32_t shared) {
  using Memory = BlockMemory<S>;
  constexpr int kProductThreads = 32 * kProductWarps;
  constexpr int kFirstAttention = kGroups * kProductThreads;
  constexpr int kFirstFetching = kFirstAttention + 32 * kAttentionWarps;
  const int thread = static_cast<int>(threadIdx.x);
  const BoundedWait wait(a.error, 1 + static_cast<int>(blockIdx.x) * 32 + thread / 32);
  const uint32_t full = shared + Memory::kFull;
  const uint32_t empty = shared + Memory::kEmpty;
  if (thread < kFirstAttention) {
    const int index = thread / kProductThreads;
    const Group<S> group(a, shared + Memory::kGroupAreas, index);
    if (group.rows == 0) return;
    const RingReader<Memory::kSlots> ring = {shared + Memory::kRing, full, empty};
    ProductWarp<S, Memory::kSlots>(a, group, index, ring, wait).Run();
  } else if (thread < kFirstFetching) {
    AttentionWarp<S>(a, memory, shared, thread - kFirstAttention, wait).Run();
  } else if (thread == kFirstFetching) {
    FillRing<S, Memory::kSlots>(a, shared + Memory::kRing, full, empty, wait);
  }
}

template <class S>
__global__ void __launch_bounds__(ThreadsOf(kGroups), 1)
    ClusterStepsKernel(const __grid_constant__ StepArguments a) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) std::byte memory[];
  const uint32_t shared = SharedAddress(memory);
  if (threadIdx.x == 0) InitBarriers<S>(a, shared);
  __syncthreads();
  SyncCluster();
  RunWarp<S>(a, memory, shared);
  // No block leaves while another may still send to it.
  __syncwarp();
  SyncCluster();
#endif
}

template <class S>
CompiledKernel KernelOf() {
  return {reinterpret_cast<const void*>(ClusterStepsKernel<S>), ThreadsOf(kGroups),
          BlockMemory<S>::kBytes};
}

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_STEPS_KERNEL_CUH_
