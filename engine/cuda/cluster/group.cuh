// What the warps of a block know of one of its groups.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_GROUP_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_GROUP_CUH_

#include <cstdint>

#include "engine/cuda/cluster/cluster_exchange.cuh"
#include "engine/cuda/cluster/shared_memory.h"
#include "engine/cuda/cluster/step_arguments.h"

namespace strided::cuda::cluster {

// What a group's barriers tell.
enum class Signal {
  kHidden,    // the residual stream is here
  kMixed,     // attention's outputs
  kExpanded,  // the MLP's hidden layer
  kLogits,    // of the sequence that this block draws for
  kTokens,    // the next inputs
  kPair,      // query, key and value of the block's first pair; the others' follow
};

template <class S>
struct Group {
  using Memory = GroupMemory<S>;

  uint32_t area = 0;  // address of its GroupMemory
  int first_row = 0;
  int rows = 0;  // 0 to kColumns

  __device__ Group(const StepArguments& a, uint32_t first_area, int index) {
    area = first_area + index * Memory::kBytes;
    const int cluster = static_cast<int>(blockIdx.x) / kBlocks;
    first_row = (index * a.clusters + cluster) * a.group_rows;
    rows = max(0, min(a.count - first_row, a.group_rows));
  }

  __device__ __forceinline__ uint32_t Barrier(Signal signal, int pair = 0) const {
    return area + Memory::kBarriers + (static_cast<int>(signal) + pair) * kBarrierBytes;
  }
  // Bytes of a phase.
  __device__ __forceinline__ int HiddenBytes() const { return rows * kWidth * 2; }
  __device__ __forceinline__ int MixedBytes() const { return rows * S::kHeads * S::kValue * 2; }
  __device__ __forceinline__ int ExpandedBytes() const {
    return rows * S::kFfTiles * kBlocks * kTile * 2;
  }
  __device__ __forceinline__ int TokenBytes() const { return rows * 4; }
  static constexpr int kLogitBytes = kMaxVocab * 4;

  // Pairs of sequence and head are dealt to the blocks in turn.
  static __device__ __forceinline__ int BlockOf(int pair) { return pair % kBlocks; }
  // Of the block's pair number `index`; the column may be none of the group's.
  static __device__ __forceinline__ int ColumnOf(int rank, int index) {
    return (rank + index * kBlocks) / S::kHeads;
  }
  static __device__ __forceinline__ int HeadOf(int rank, int index) {
    return (rank + index * kBlocks) % S::kHeads;
  }

  // By one thread: all barriers, and the first phase of each.
  __device__ void Init(int rank) const {
    for (int i = 0; i < Memory::kBarrierCount; ++i) {
      InitBarrier(area + Memory::kBarriers + i * kBarrierBytes, 1);
    }
    if (rows == 0) return;
    Expect(Barrier(Signal::kHidden), HiddenBytes());
    Expect(Barrier(Signal::kMixed), MixedBytes());
    Expect(Barrier(Signal::kExpanded), ExpandedBytes());
    Expect(Barrier(Signal::kLogits), kLogitBytes);
    for (int pair = 0; pair < S::kPairs; ++pair) {
      if (ColumnOf(rank, pair) >= rows) continue;
      Expect(Barrier(Signal::kPair, pair), Memory::kPairBytes);
    }
  }
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_GROUP_CUH_
