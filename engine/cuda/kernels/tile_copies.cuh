// Tiles between shared memory and mapped matrices (tile_map.h), beside barriers.cuh's CopyTile
// (PTX ISA, sm_90: cp.async.bulk.tensor, cp.reduce.async.bulk.tensor). Each is by one thread.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_TILE_COPIES_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_TILE_COPIES_CUH_

#include <cstdint>

#include "engine/cuda/kernels/barriers.cuh"

namespace strided::cuda {

// CopyTile of a map of three dimensions.
__device__ __forceinline__ void CopyTile(uint32_t to, const CUtensorMap& map, int x, int y, int z,
                                         uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%2, %3, %4}], [%5];" ::"r"(to),
      "l"(reinterpret_cast<uint64_t>(&map)), "r"(x), "r"(y), "r"(z), "r"(barrier)
      : "memory");
}

// The way back: a tile replaces what is there, or (float32) is added to it; nothing is written
// beyond the map's ends. What others have put into shared memory they show (ShowToProducts) before
// the thread meets them at a barrier.
__device__ __forceinline__ void StoreTile(const CUtensorMap& map, int column, int row,
                                          uint32_t from) {
  asm volatile(
      "cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];" ::"l"(
          reinterpret_cast<uint64_t>(&map)),
      "r"(column), "r"(row), "r"(from)
      : "memory");
}
__device__ __forceinline__ void AddTile(const CUtensorMap& map, int column, int row,
                                        uint32_t from) {
  asm volatile(
      "cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group [%0, {%1, %2}], "
      "[%3];" ::"l"(reinterpret_cast<uint64_t>(&map)),
      "r"(column), "r"(row), "r"(from)
      : "memory");
}

// The thread's stores since the last call, as one group.
__device__ __forceinline__ void CommitStores() {
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}
// Until shared memory has been read by all of the thread's groups; or all are done.
__device__ __forceinline__ void WaitForStoresRead() {
  asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
}
__device__ __forceinline__ void WaitForStores() {
  asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_TILE_COPIES_CUH_
