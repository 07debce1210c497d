// What the threads of a block can do together, as the sampler needs it.
//
// The sampler's parts are templates on `Block`, so that the same source runs on the device
// (device_block.cuh) and, with few threads or one, on the host in tests. A Block is each thread's
// own view and offers
// - kLanes, the threads of a warp; lane() and warp(), this thread's place; warps(), a power of two
//   and at most kLanes; log2_warps();
// - Sync(): a barrier of the block; writes before it are seen after it;
// - of the values of a warp's lanes: SumOfLanes(uint64_t) and LargestOfLanes(uint32_t), to every
//   lane; InclusiveSum(uint64_t), over the lanes up to this one; FirstLane(bool), the first for
//   which it is true, kLanes if there is none; FromLane(uint64_t, lane), that lane's;
// - Gather(uint64_t): to lane l, the value of lane 0 of warp l; 0 from warps() on. Contains a Sync;
// - ClearBins(), between two Syncs: kBins sums become 0, and no place is claimed; AddToBin(bin,
//   Mass), in any order; Bin(bin), after a Sync;
// - ClaimPlace(): 0, 1, 2, ..., each to one thread, in any order.
// Sync, Gather and ClearBins are executed by all threads of the block together, and what is of a
// warp by all of the warp.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_BLOCK_H_
#define STRIDED_ENGINE_CUDA_KERNELS_BLOCK_H_

#include <cstdint>

#ifdef __CUDACC__
#define STRIDED_DEVICE __device__ inline
#else
#define STRIDED_DEVICE inline
#endif

namespace strided::cuda {

inline constexpr int kBinBits = 11;
inline constexpr int kBins = 1 << kBinBits;

// The elements 0..count-1 that a thread visits: i = FirstOf(block), then every StepOf(block).
template <typename Block>
STRIDED_DEVICE int FirstOf(const Block& block) {
  return block.warp() * Block::kLanes + block.lane();
}
template <typename Block>
STRIDED_DEVICE int StepOf(const Block& block) {
  return block.warps() * Block::kLanes;
}

// The largest of all threads' values, to every thread.
template <typename Block>
STRIDED_DEVICE uint32_t LargestOfBlock(Block& block, uint32_t value) {
  const uint64_t of_warp = block.Gather(block.LargestOfLanes(value));
  return block.LargestOfLanes(static_cast<uint32_t>(of_warp));
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_BLOCK_H_
