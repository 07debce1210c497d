// Keys and values in vectors of 16 bytes: kLanes lanes read one row.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_VECTORS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_VECTORS_CUH_

#include <cstdint>

#include "engine/cuda/kernels/attention_chunk.cuh"

namespace strided::cuda::attention {

// A head's keys or values, of which the lane reads one vector of each row.
struct VectorRows {
  const uint4* base;  // the lane's own vector of row 0
  int row_vectors;    // vectors of a row
  bool used;          // whether the lane has one of them

  __device__ __forceinline__ uint4 At(int row) const {
    return __ldcg(base + static_cast<int64_t>(row) * row_vectors);
  }
};

// A batch of vectors of consecutive turns of the block over the chunk's keys (or values). Turn i of
// lane group g of the block is key i * groups + g.
template <int kWarps, int kLanes>
struct VectorBatch {
  static constexpr int kGroups = 32 * kWarps / kLanes;
  static constexpr int kTurns = kAttentionChunk / kGroups;  // of a whole chunk
  static constexpr int kBatch = kTurns < kMaxBatch ? kTurns : kMaxBatch;
  uint4 vectors[kBatch];

  // Reads the turns first_turn..., but not key `without`.
  __device__ __forceinline__ void Fetch(const VectorRows& from, const int* rows, int keys,
                                        int first_turn, int without) {
    const int group = threadIdx.x / kLanes;
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int key = (first_turn + i) * kGroups + group;
      vectors[i] = make_uint4(0, 0, 0, 0);
      if (key < keys && key != without && from.used) vectors[i] = from.At(rows[key]);
    }
  }
  // Reads key `key`, if it is one of the first batch's. Requires that it is one of the chunk's.
  __device__ __forceinline__ void FetchOne(const VectorRows& from, const int* rows, int key) {
    if (key % kGroups != threadIdx.x / kLanes || !from.used) return;
    const uint4 vector = from.At(rows[key]);
    const int turn = key / kGroups;
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {  // selections, so that the batch stays in registers
      vectors[i].x = i == turn ? vector.x : vectors[i].x;
      vectors[i].y = i == turn ? vector.y : vectors[i].y;
      vectors[i].z = i == turn ? vector.z : vectors[i].z;
      vectors[i].w = i == turn ? vector.w : vectors[i].w;
    }
  }
};

template <Operand kOperand>
__device__ __forceinline__ void Widen(const uint4& vector, float (&out)[kVector]) {
  using Traits = OperandTraits<kOperand>;
  const uint32_t words[4] = {vector.x, vector.y, vector.z, vector.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = Traits::Unpack(words[i]);
    out[2 * i] = pair.x;
    out[2 * i + 1] = pair.y;
  }
}

// Products of the query with a batch of keys, to `scores`.
template <Operand kOperand, int kWarps, int kLanes>
__device__ __forceinline__ void Score(const Chunk& chunk, const VectorBatch<kWarps, kLanes>& batch,
                                      const float (&query)[kVector], int first_turn,
                                      float* scores) {
  const int group = threadIdx.x / kLanes;
#pragma unroll
  for (int i = 0; i < VectorBatch<kWarps, kLanes>::kBatch; ++i) {
    float key[kVector];
    Widen<kOperand>(batch.vectors[i], key);
    float product = 0;
#pragma unroll
    for (int j = 0; j < kVector; ++j) product = fmaf(query[j], key[j], product);
#pragma unroll
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
      product += __shfl_xor_sync(0xFFFFFFFFu, product, distance);
    }
    const int at = (first_turn + i) * VectorBatch<kWarps, kLanes>::kGroups + group;
    if (threadIdx.x % kLanes == 0 && at < chunk.keys) scores[at] = product;
  }
}

template <Operand kOperand, int kWarps, int kLanes>
__device__ __forceinline__ void Weigh(const Chunk& chunk, const VectorBatch<kWarps, kLanes>& batch,
                                      const float* scores, float largest, int first_turn,
                                      float (&sums)[kVector + 1]) {
  const int group = threadIdx.x / kLanes;
#pragma unroll
  for (int i = 0; i < VectorBatch<kWarps, kLanes>::kBatch; ++i) {
    const int at = (first_turn + i) * VectorBatch<kWarps, kLanes>::kGroups + group;
    if (at >= chunk.keys) continue;
    const float weight = exp2f(scores[at] - largest);
    float value[kVector];
    Widen<kOperand>(batch.vectors[i], value);
#pragma unroll
    for (int j = 0; j < kVector; ++j) sums[j] = fmaf(weight, value[j], sums[j]);
    sums[kVector] += weight;
  }
}

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_VECTORS_CUH_
