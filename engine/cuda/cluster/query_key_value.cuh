// Where outputs of a layer's first product go: queries, keys and values, each to the block that
// attends for its sequence and head.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_QUERY_KEY_VALUE_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_QUERY_KEY_VALUE_CUH_

#include <cstdint>

#include "engine/cuda/cluster/four_outputs.cuh"
#include "engine/cuda/cluster/group.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::cluster {

// Whether the tile of outputs from `first` on is nobody's.
template <class S>
__device__ __forceinline__ bool IsPadding(int first) {
  return S::kQkvOutputs % (kBlocks * kTile) != 0 && first >= S::kQkvOutputs;
}

// Outputs `first` to `first` + 3 of [head][query | key | value], of a column. A query goes as the
// sum of two bfloat16 vectors.
template <class S>
__device__ __forceinline__ void SendToAttention(const Group<S>& group, int column, int first,
                                                float4 x) {
  using Memory = GroupMemory<S>;
  const int head = first / S::kHeadOutputs;
  const int within = first % S::kHeadOutputs;
  const int pair = column * S::kHeads + head;
  const int index = pair / kBlocks;  // of the block's pairs
  const uint32_t vectors = group.area + Memory::kQueries + index * Memory::kPairBytes;
  const uint32_t there = AddressIn(group.area, group.BlockOf(pair)) - group.area;
  const uint32_t barrier = group.Barrier(Signal::kPair, index) + there;
  const uint2 packed = PackFour(x);
  if (within < S::kKey) {
    Send(vectors + within * 2 + there, packed, barrier);
    const uint2 rest = PackFour(RestOf(x, packed));
    Send(vectors + (S::kKey + within) * 2 + there, rest, barrier);
  } else {  // keys, then values, follow the query's two parts
    Send(vectors + (S::kKey + within) * 2 + there, packed, barrier);
  }
}

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_QUERY_KEY_VALUE_CUH_
