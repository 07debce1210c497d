// The kernel of cluster_kernel.h: which warp of a block does what.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_STEPS_KERNEL_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_STEPS_KERNEL_CUH_

#include "engine/cuda/cluster/attention_warps.cuh"
#include "engine/cuda/cluster/compiled_kernel.h"
#include "engine/cuda/cluster/layer_weights.cuh"
#include "engine/cuda/cluster/product_warps.cuh"
#include "engine/cuda/cluster/weight_ring.cuh"
#include "engine/cuda/kernels/async_copy.cuh"

namespace strided::cuda::cluster {

// Registers of a thread where there are so many warps: the kernel starts with 128 for each, and the
// attention warps, which hold keys and values, take some of the product warps'.
inline constexpr int kProductRegisters = 104;
inline constexpr int kAttentionRegisters = 256 - kProductRegisters;

// By one thread, before anything else.
template <class S, int kGroups>
__device__ void InitBarriers(const StepArguments& a, uint32_t shared) {
  using Memory = BlockMemory<S, kGroups>;
  const int groups = GroupsPresent(a);
  for (int index = 0; index < groups; ++index) {
    Group<S>(a, shared + Memory::kGroupAreas, index).Init(static_cast<int>(RankInCluster()));
  }
  for (int i = 0; i < kPassBarriers; ++i) {
    InitBarrier(shared + Memory::kFull + i * kBarrierBytes, 1);
    if constexpr (!Memory::kFetchingWarp) {
      Store(shared + Memory::kEmpty + i * kBarrierBytes, 0.0F);
    } else {
      InitBarrier(shared + Memory::kEmpty + i * kBarrierBytes, groups * Memory::kTeamWarps);
    }
  }
  for (int warp = 0; warp < kAttentionWarps; ++warp) {
    InitBarrier(shared + Memory::kAheadFull + warp * kBarrierBytes, 1);
  }
  InitBarrier(shared + Memory::kAheadEmpty, kAttentionWarps);
  PublishBarriers();
}

// By all warps of a warpgroup.
template <int kRegisters>
__device__ __forceinline__ void GiveRegisters() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL  // code for any 9.0 goes without
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
#endif
}
template <int kRegisters>
__device__ __forceinline__ void TakeRegisters() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL  // code for any 9.0 goes without
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
#endif
}

// By one thread.
template <class S, class Memory>
__device__ __forceinline__ void FillWeights(const StepArguments& a, uint32_t shared,
                                            BoundedWait wait) {
  const uint32_t ring = shared + Memory::kRing;
  const uint32_t full = shared + Memory::kFull;
  const uint32_t empty = shared + Memory::kEmpty;
  if constexpr (Memory::kOwnPlaces) {
    LayerFiller<S>(ring, full, empty, wait).Run(a);
  } else {
    FillRing<S, Memory::kSlots>(a, ring, full, empty, wait);
  }
}

template <class S, int kGroups>
__device__ void RunWarp(const StepArguments& a, std::byte* memory, uint32_t shared) {
  using Memory = BlockMemory<S, kGroups>;
  constexpr bool kMovesRegisters = !Memory::kHasManyRegisters;
  static_assert(!kMovesRegisters || Memory::kWarps == 16);
  using Threads = TeamThreads<Memory::kTeamWarps>;
  constexpr int kFirstAttention = 32 * Memory::kFirstAttentionWarp;
  constexpr int kFirstFetching = kFirstAttention + 32 * kAttentionWarps;
  const int thread = static_cast<int>(threadIdx.x);
  const BoundedWait wait(a.error, ErrorWordOf(static_cast<int>(blockIdx.x), thread / 32));
  if (thread < kFirstAttention) {
    if constexpr (kMovesRegisters) GiveRegisters<kProductRegisters>();
    const int team = thread / Threads::Threads();
    if (team < GroupsPresent(a)) ProductWarp<S, kGroups>(a, shared, Threads{team}, wait).Run();
  } else {
    if constexpr (kMovesRegisters) TakeRegisters<kAttentionRegisters>();
    if (thread < kFirstFetching) {
      AttentionWarp<S, kGroups>(a, memory, shared, thread - kFirstAttention, wait).Run();
    } else if constexpr (Memory::kFetchingWarp) {
      if (thread == kFirstFetching) FillWeights<S, Memory>(a, shared, wait);
    }
  }
}

template <class S, int kGroups>
__global__ void __launch_bounds__(BlockMemory<S, kGroups>::kThreads, 1)
    ClusterStepsKernel(const __grid_constant__ StepArguments a) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) std::byte memory[];
  const uint32_t shared = SharedAddress(memory);
  if (threadIdx.x == 0) InitBarriers<S, kGroups>(a, shared);
  __syncthreads();
  SyncCluster();
  RunWarp<S, kGroups>(a, memory, shared);
  // No block leaves while another may still send to it.
  __syncwarp();
  SyncCluster();
#endif
}

template <class S>
CompiledKernel KernelOf(int groups) {
  CompiledKernel compiled;
  VisitGroups<S>([&](auto room) {
    if (room < groups) return false;
    using Room = KernelSizes<S, room>;
    using Memory = BlockMemory<Room, room>;
    compiled = {.kernel = reinterpret_cast<const void*>(ClusterStepsKernel<Room, room>),
                .threads = Memory::kThreads,
                .shared_bytes = Memory::kBytes};
    return true;
  });
  return compiled;
}

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_STEPS_KERNEL_CUH_
