// What a block tells all blocks of its cluster: slices of a group's operands, four elements a lane.
//
// Of one or two groups, the sending lanes store the slice into the blocks (st.async): 300 to 450
// cycles to there, but a block gets and sends 12 to 14 bytes a cycle alone, and more groups want
// more. Of several, one warp writes the slice to global memory, where the second-level cache keeps
// it, and has it copied to all blocks at once (cp.async.bulk with multicast::cluster): 650 cycles,
// and 80 bytes a cycle. Both complete their bytes on the same barriers.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_TO_ALL_BLOCKS_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_TO_ALL_BLOCKS_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/cluster/shared_memory.h"
#include "engine/cuda/cluster/step_arguments.h"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::cluster {

// Where a group's operands are: in every block, and on the way.
struct SliceRoom {
  uint32_t area = 0;              // address of the group's GroupMemory
  std::byte* exchange = nullptr;  // as long as its operands, in global memory

  template <class S>
  static __device__ __forceinline__ SliceRoom Of(const StepArguments& a, uint32_t area, int group) {
    const int cluster = static_cast<int>(blockIdx.x) / kBlocks;
    const int64_t index = static_cast<int64_t>(cluster) * a.groups + group;
    return {area, a.exchange + index * GroupMemory<S>::kOperandsEnd};
  }
};

// The lane's four elements to `place` of block `first` and of every `stride`-th after it. Requires
// first < kBlocks.
__device__ __forceinline__ void SendInTurn(uint32_t place, uint2 elements, uint32_t barrier,
                                           uint32_t first, uint32_t stride) {
  Send(AddressIn(place, first), elements, AddressIn(barrier, first));
#pragma unroll 1
  for (uint32_t block = first + stride; block < kBlocks; block += stride) {
    Send(AddressIn(place, block), elements, AddressIn(barrier, block));
  }
}

// One of the warps that send.
template <int kGroups>
class ToAllBlocks {
 public:
  static constexpr bool kMulticast = kGroups > 2;
  static constexpr int kSendingWarps = 4;  // for one slice, where each stores to some of the blocks

  // `shared`: address of the block's shared memory; `warp`: 0 to kSendingWarps - 1.
  __device__ __forceinline__ ToAllBlocks(uint32_t shared, int warp) {
    if constexpr (!kMulticast) {
#pragma unroll
      for (int i = 0; i < kStores; ++i) to_[i] = AddressIn(shared, warp * kStores + i) - shared;
    }
  }

  // A slice of `bytes` bytes, a multiple of 16, from `offset` of the operands on; `elements` go to
  // `within` it where the lane `has` some. By all lanes of a warp: of every sending warp, or of one
  // where kMulticast is. `barrier`: of this block; the same in every block is told of the bytes.
  __device__ __forceinline__ void Send(const SliceRoom& room, int offset, int bytes, int within,
                                       bool has, uint2 elements, uint32_t barrier) const {
    if constexpr (kMulticast) {
      SendAtOnce(room, offset, bytes, within, has, elements, barrier);
    } else {
      if (!has) return;
#pragma unroll
      for (int i = 0; i < kStores; ++i) {
        cluster::Send(room.area + offset + within + to_[i], elements, barrier + to_[i]);
      }
    }
  }

  // The same by one warp, where kMulticast is.
  static __device__ __forceinline__ void SendAtOnce(const SliceRoom& room, int offset, int bytes,
                                                    int within, bool has, uint2 elements,
                                                    uint32_t barrier) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    std::byte* const slice = room.exchange + offset;
    if (has) __stcg(reinterpret_cast<uint2*>(slice + within), elements);
    FenceAsyncGlobal();
    __syncwarp();
    if (threadIdx.x % 32 == 0) CopyToAll(kBlocks, room.area + offset, slice, bytes, barrier);
#else  // code for any 9.0 goes without multicast
    if (!has) return;
    for (int rank = 0; rank < kBlocks; ++rank) {
      cluster::Send(AddressIn(room.area + offset + within, rank), elements,
                    AddressIn(barrier, rank));
    }
#endif
  }

 private:
  static constexpr int kStores = kMulticast ? 1 : kBlocks / kSendingWarps;

  uint32_t to_[kStores];  // from an address of this block to those that the warp stores to
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_TO_ALL_BLOCKS_CUH_
