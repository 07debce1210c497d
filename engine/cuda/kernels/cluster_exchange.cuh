// How the blocks of a cluster tell each other things (PTX ISA, sm_90: mbarrier, st.async,
// cp.async.bulk, mapa).
//
// A store into another block's shared memory completes its bytes on a barrier of that block; who
// waits for the barrier sees them. No fence, no barrier of the cluster. Rules:
// - A barrier's phase ends when its arrivals are there and the bytes that they announced. Bytes may
//   come before they are announced.
// - Who waits names the phase by its parity. A barrier must not end two phases between two waits of
//   one warp, or the warp waits for what has been: announce the next phase only after all warps
//   have seen the last (after a barrier of theirs).
// - One announcement a phase.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_CLUSTER_EXCHANGE_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_CLUSTER_EXCHANGE_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/barriers.cuh"

namespace strided::cuda::cluster {

// Addresses of shared memory are 32 bits: the block's own, or AddressIn another block.

__device__ __forceinline__ uint32_t RankInCluster() {
  uint32_t rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

// The address of the same place in block `rank`.
__device__ __forceinline__ uint32_t AddressIn(uint32_t address, uint32_t rank) {
  uint32_t there;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
  return there;
}

// All threads of all blocks; writes before it are seen after it.
__device__ __forceinline__ void SyncCluster() {
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::
                   : "memory");
}

// What this thread has read and written comes before asynchronous stores that others make later.
__device__ __forceinline__ void FenceAsync() { asm volatile("fence.proxy.async;" ::: "memory"); }

// What this thread has written to global memory comes before asynchronous copies made after it.
__device__ __forceinline__ void FenceAsyncGlobal() {
  asm volatile("fence.proxy.async.global;" ::: "memory");
}

// Asynchronous stores to an address in any block, completed on a barrier of the same block.
__device__ __forceinline__ void Send(uint32_t to, uint32_t value, uint32_t barrier) {
  asm volatile(
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [%0], %1, [%2];" ::"r"(to),
      "r"(value), "r"(barrier)
      : "memory");
}
__device__ __forceinline__ void Send(uint32_t to, uint2 value, uint32_t barrier) {
  asm volatile(
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.v2.b32 [%0], {%1, %2}, [%3];" ::"r"(
          to),
      "r"(value.x), "r"(value.y), "r"(barrier)
      : "memory");
}
__device__ __forceinline__ void Send(uint32_t to, float4 value, uint32_t barrier) {
  asm volatile(
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [%0], {%1, %2, %3, %4}, "
      "[%5];" ::"r"(to),
      "r"(__float_as_uint(value.x)), "r"(__float_as_uint(value.y)), "r"(__float_as_uint(value.z)),
      "r"(__float_as_uint(value.w)), "r"(barrier)
      : "memory");
}

// Copies from global memory to the block's own shared memory, both aligned to 16 bytes.
__device__ __forceinline__ void CopyBulk(uint32_t to, const std::byte* from, int bytes,
                                         uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(to),
      "l"(from), "r"(bytes), "r"(barrier)
      : "memory");
}

// CopyBulk to the same place of each of the cluster's blocks, up to 16, which are told by their
// barriers. Of devices' own features (90a).
__device__ __forceinline__ void CopyToAll(int blocks, uint32_t to, const std::byte* from, int bytes,
                                          uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], "
      "[%1], %2, [%3], %4;" ::"r"(to),
      "l"(from), "r"(bytes), "r"(barrier), "h"(static_cast<uint16_t>((1 << blocks) - 1))
      : "memory");
}

// Asks the second-level cache for `bytes` from `from` on, both multiples of 16.
__device__ __forceinline__ void PrefetchBulk(const std::byte* from, int bytes) {
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(from), "r"(bytes) : "memory");
}

// The block's own shared memory.
__device__ __forceinline__ uint4 Load16(uint32_t address) { return ReadShared(address); }
__device__ __forceinline__ float4 LoadFloats(uint32_t address) {
  const uint4 value = Load16(address);
  return make_float4(__uint_as_float(value.x), __uint_as_float(value.y), __uint_as_float(value.z),
                     __uint_as_float(value.w));
}
__device__ __forceinline__ uint2 Load8(uint32_t address) {
  uint2 value;
  asm volatile("ld.shared.v2.b32 {%0, %1}, [%2];"
               : "=r"(value.x), "=r"(value.y)
               : "r"(address)
               : "memory");
  return value;
}
__device__ __forceinline__ uint32_t Load4(uint32_t address) {
  uint32_t value;
  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(value) : "r"(address) : "memory");
  return value;
}
__device__ __forceinline__ void Store(uint32_t address, float value) {
  asm volatile("st.shared.f32 [%0], %1;" ::"r"(address), "f"(value) : "memory");
}
__device__ __forceinline__ void Store(uint32_t address, float2 value) {
  asm volatile("st.shared.v2.f32 [%0], {%1, %2};" ::"r"(address), "f"(value.x), "f"(value.y)
               : "memory");
}
__device__ __forceinline__ void Store(uint32_t address, float4 value) {
  asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(address), "f"(value.x),
               "f"(value.y), "f"(value.z), "f"(value.w)
               : "memory");
}

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_KERNELS_CLUSTER_EXCHANGE_CUH_
