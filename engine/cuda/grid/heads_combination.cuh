// What the chunks of a cluster's heads give together: each query's values, from the shares that the
// cluster's blocks have sent. By every warp that multiplies them, for itself. Sums are those of
// Combine (attention_chunk.cuh).

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_COMBINATION_CUH_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_COMBINATION_CUH_

#include <cstdint>

#include "engine/cuda/grid/heads_memory.cuh"
#include "engine/cuda/kernels/exponential.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/warp_math.cuh"

namespace strided::cuda::grid {

// What `chunks` chunks of a query give together, as a lane's two values: `share(i)` is where chunk
// i's lie. Lane `first_lane` + i has chunk i's largest score and sum of weights, and its weight
// among the chunks. `most`: chunks of any query of the warp.
template <typename Share>
__device__ __forceinline__ float2 CombineShares(const float2& of_lane, float weight, int first_lane,
                                                int chunks, int most, Share&& share) {
  constexpr int kBatch = 8;
  float sum = 0;
  float2 value = make_float2(0, 0);
#pragma unroll 1
  for (int first = 0; first < most; first += kBatch) {
    float2 parts[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      // Without the chunk its weights are 0, and so is what they weigh.
      parts[i] = make_float2(0, 0);
      if (first + i < chunks) parts[i] = *reinterpret_cast<const float2*>(share(first + i));
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int from = first_lane + first + i;
      const float by = __shfl_sync(0xFFFFFFFFu, weight, from);
      const float of = __shfl_sync(0xFFFFFFFFu, of_lane.y, from);
      sum = fmaf(by, of, sum);
      value.x = fmaf(by, parts[i].x, value.x);
      value.y = fmaf(by, parts[i].y, value.y);
    }
  }
  return make_float2(value.x / sum, value.y / sum);
}

template <class S, class Memory>
class HeadsCombination {
 public:
  __device__ __forceinline__ HeadsCombination(const Memory& memory, int lane)
      : memory_(memory), lane_(lane) {}

  // The elements 2 * lane and 2 * lane + 1 of the cluster's group of mixed values.
  __device__ __forceinline__ uint32_t Combine(int layer) const {
    const int head = lane_ / kHeadLanes;
    const int chunks = Chunks(layer, head);
    int most = 0;
#pragma unroll
    for (int h = 0; h < H::kHeads; ++h) most = max(most, Chunks(layer, h));
    const int at = 2 * lane_ % S::kValue;
    float2 mixed = *reinterpret_cast<const float2*>(Share(head, 0) + at);
    const float inverse = 1.0f / Share(head, 0)[S::kValue + 1];
    mixed = make_float2(mixed.x * inverse, mixed.y * inverse);
    if (most > 1) {
      const float2 of_several = CombineChunks(head, chunks, most, at);
      if (chunks > 1) mixed = of_several;
    }
    if (chunks == 0) mixed = make_float2(0, 0);
    return Traits::Pack(mixed.x, mixed.y);
  }

 private:
  using H = HeadsSizes<S>;
  using Traits = OperandTraits<Memory::kOperand>;
  // Of a head; each has two of its values, and knows a chunk's weight.
  static constexpr int kHeadLanes = 32 / H::kHeads;
  static_assert(kHeadLanes * H::kHeads == kUnits && kHeadLanes * 2 == S::kValue);

  __device__ __forceinline__ int Chunks(int layer, int head) const {
    return memory_.plans[layer % 2].heads[head].chunks;
  }
  __device__ __forceinline__ const float* Share(int head, int chunk) const {
    return memory_.exchange.shares[chunk * H::kHeads + head];
  }

  // Elements `at` and the next of a head of several chunks; `most` of any head of the warp.
  __device__ __forceinline__ float2 CombineChunks(int head, int chunks, int most, int at) const {
    const int known = lane_ % kHeadLanes;  // the chunk whose weight it knows
    const float2 of_lane = known < chunks
                               ? *reinterpret_cast<const float2*>(Share(head, known) + S::kValue)
                               : make_float2(-INFINITY, 0.0f);
    const float weight = Exp2(of_lane.x - LargestOfHead(of_lane.x));
    return CombineShares(of_lane, weight, head * kHeadLanes, chunks, most,
                         [&](int chunk) { return Share(head, chunk) + at; });
  }
  // Over the lanes of the lane's head.
  static __device__ __forceinline__ float LargestOfHead(float value) {
    if constexpr (H::kHeads == 1) {
      return WarpMax(value);
    } else {
#pragma unroll
      for (int distance = kHeadLanes / 2; distance > 0; distance /= 2) {
        value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, distance));
      }
      return value;
    }
  }

  const Memory& memory_;
  const int lane_;
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_COMBINATION_CUH_
