// Barriers in shared memory that copies complete (PTX ISA, sm_90: mbarrier, cp.async.bulk.tensor).
//
// A barrier's phase ends when its arrivals are there and the bytes that they announced; who waits
// names it by its parity, and must not miss two.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_BARRIERS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_BARRIERS_CUH_

#include <cuda.h>

#include <cstdint>

namespace strided::cuda {

// The `threads` threads that use barrier `id` of the block, 1 to 15.
__device__ __forceinline__ void SyncThreads(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

__device__ __forceinline__ void InitBarrier(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
// Barriers that have been initialised are seen by the cluster, and by asynchronous copies.
__device__ __forceinline__ void PublishBarriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async;" ::: "memory");
}

__device__ __forceinline__ void Arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory");
}
// Arrives, and announces `bytes` for the phase.
__device__ __forceinline__ void Expect(uint32_t barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}
// Whether the phase of `parity` has ended; the hardware may let the thread sleep for a while.
__device__ __forceinline__ bool HasEnded(uint32_t barrier, uint32_t parity) {
  uint32_t ended;
  asm volatile(
      "{\n.reg .pred p;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      "selp.u32 %0, 1, 0, p;\n}"
      : "=r"(ended)
      : "r"(barrier), "r"(parity)
      : "memory");
  return ended != 0;
}
// For what comes without fail: copies of the block itself.
__device__ __forceinline__ void WaitForPhase(uint32_t barrier, uint32_t parity) {
  while (!HasEnded(barrier, parity)) {
  }
}

// Copies a tile of `map` from (column, row) on to shared memory, completed on `barrier`; zeros
// beyond the map's ends. By one thread.
__device__ __forceinline__ void CopyTile(uint32_t to, const CUtensorMap& map, int column, int row,
                                         uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%2, %3}], [%4];" ::"r"(to),
      "l"(reinterpret_cast<uint64_t>(&map)), "r"(column), "r"(row), "r"(barrier)
      : "memory");
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_BARRIERS_CUH_
