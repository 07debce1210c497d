// What the warps of a block know of one of its groups.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_GROUP_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_GROUP_CUH_

#include <cstdint>

#include "engine/cuda/cluster/shared_memory.h"
#include "engine/cuda/cluster/step_arguments.h"
#include "engine/cuda/kernels/cluster_exchange.cuh"

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

// Groups of this cluster that have rows: group g has some if g * clusters + cluster <
// ceil(count / group_rows).
__device__ __forceinline__ int GroupsPresent(const StepArguments& a) {
  const int cluster = static_cast<int>(blockIdx.x) / kBlocks;
  const int filled = (a.count + a.group_rows - 1) / a.group_rows;
  return min((filled - cluster + a.clusters - 1) / a.clusters, a.groups);
}

template <class S>
struct Group {
  using Memory = GroupMemory<S>;

  int index = 0;      // of the cluster's groups
  uint32_t area = 0;  // address of its GroupMemory
  int first_row = 0;
  int rows = 0;  // 0 to kColumns

  __device__ __forceinline__ Group(const StepArguments& a, uint32_t first_area, int group)
      : index(group), area(first_area + group * Memory::kBytes) {
    const int cluster = static_cast<int>(blockIdx.x) / kBlocks;
    first_row = (index * a.clusters + cluster) * a.group_rows;
    rows = max(0, min(a.count - first_row, a.group_rows));
  }

  __device__ __forceinline__ uint32_t Barrier(Signal signal, int pair = 0) const {
    return area + Memory::kBarriers + (static_cast<int>(signal) + pair) * kBarrierBytes;
  }
  // Tells that the attention warps have left their shares of the block's pair.
  __device__ __forceinline__ uint32_t SharesBarrier(int pair) const {
    return Barrier(Signal::kPair, S::kPairs + pair);
  }
  // Bytes of a phase.
  __device__ __forceinline__ int HiddenBytes() const { return rows * S::kWidth * 2; }
  __device__ __forceinline__ int MixedBytes() const { return rows * S::kHeads * S::kValue * 2; }
  __device__ __forceinline__ int ExpandedBytes() const {
    return rows * S::kFfTiles * kBlocks * kTile * 2;
  }
  __device__ __forceinline__ int InputBytes(Signal signal) const {
    return signal == Signal::kMixed ? MixedBytes() : ExpandedBytes();
  }
  __device__ __forceinline__ int TokenBytes() const { return rows * 4; }
  static constexpr int kLogitBytes = kMaxVocab * 4;

  // Pairs of sequence and head are dealt to the blocks in turn, from another block on in each
  // group: groups of few rows fill other blocks.
  __device__ __forceinline__ int FirstBlock() const {
    return (index & 1) * 8 + (index & 2) * 2 + (index & 4) / 2;
  }
  __device__ __forceinline__ int BlockOf(int pair) const { return (pair + FirstBlock()) % kBlocks; }
  // Of block `rank`'s pair number `pair`.
  __device__ __forceinline__ int PairOf(int rank, int pair) const {
    return (rank - FirstBlock() + kBlocks) % kBlocks + pair * kBlocks;
  }
  // Of the same; the column may be none of the group's.
  __device__ __forceinline__ int ColumnOf(int rank, int pair) const {
    return PairOf(rank, pair) / S::kHeads;
  }
  __device__ __forceinline__ int HeadOf(int rank, int pair) const {
    return PairOf(rank, pair) % S::kHeads;
  }
  // Where that pair's output goes, from the start of Memory::kMixed.
  __device__ __forceinline__ int OutputOf(int rank, int pair) const {
    return ColumnOf(rank, pair) * Memory::kMixedPitch + HeadOf(rank, pair) * (S::kValue * 2);
  }

  // By one thread: all barriers, and the first phase of each.
  __device__ void Init(int rank) const {
    for (int i = 0; i < Memory::kBarrierCount - S::kPairs; ++i) {
      InitBarrier(area + Memory::kBarriers + i * kBarrierBytes, 1);
    }
    for (int pair = 0; pair < S::kPairs; ++pair) {
      InitBarrier(SharesBarrier(pair), kAttentionWarps);
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
