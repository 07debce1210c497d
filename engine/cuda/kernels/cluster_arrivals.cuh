// What the blocks of a cluster send each other once in a kernel: a barrier in each block's shared
// memory on which what comes is counted (cluster_exchange.cuh).
//
// Open, by the whole block, at the start; WaitForAll before anything is sent; then each block waits
// for phase 0 of its barrier. Who has received everything knows that all blocks have sent, and what
// they read before that; a block may end when it has sent and received.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_CLUSTER_ARRIVALS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_CLUSTER_ARRIVALS_CUH_

#include <cstdint>

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda {

class ClusterArrivals {
 public:
  __device__ __forceinline__ explicit ClusterArrivals(const uint64_t& barrier)
      : barrier_(SharedAddress(&barrier)) {}

  // `bytes` will come.
  __device__ __forceinline__ void Open(int bytes) const {
    if (threadIdx.x == 0) {
      InitBarrier(barrier_, 1);
      PublishBarriers();
      Expect(barrier_, bytes);
    }
    __syncwarp();
    asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
  }
  // Until all blocks have opened theirs.
  __device__ __forceinline__ void WaitForAll() const {
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
  }

  // `value` to block `rank`, at its address that here is `to`.
  template <typename T>
  __device__ __forceinline__ void Send(const void* to, const T& value, int rank) const {
    const auto there = static_cast<uint32_t>(rank);
    cluster::Send(cluster::AddressIn(SharedAddress(to), there), value,
                  cluster::AddressIn(barrier_, there));
  }

  // Until all has come.
  __device__ __forceinline__ void Wait() const { WaitForPhase(barrier_, 0); }

 private:
  const uint32_t barrier_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_CLUSTER_ARRIVALS_CUH_
