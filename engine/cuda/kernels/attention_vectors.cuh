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

  __device__ __forceinline__ const uint4* At(int row) const {
    return base + static_cast<uint32_t>(row * row_vectors);
  }
};

// Rows of `width` elements from `rows` on.
template <int kLanes>
__device__ __forceinline__ VectorRows VectorRowsOf(const std::byte* rows, int width) {
  const int vector = threadIdx.x % kLanes;
  const int vectors = width / kVector;
  return {reinterpret_cast<const uint4*>(rows) + vector, vectors, vector < vectors};
}

// How a block goes over the keys (or values) of a chunk: turn i of lane group g is key
// i * kGroups + g.
template <int kWarps, int kLanesOf>
struct VectorTurns {
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kLanes = kLanesOf;
  static constexpr int kGroups = kThreads / kLanes;
  static constexpr int kTurns = kAttentionChunk / kGroups;  // of a whole chunk
};

// The lane's part of the row's query, in units of which exp is a power of two. After the wait.
template <int kLanes>
struct VectorQuery {
  float elements[kVector];

  __device__ __forceinline__ VectorQuery(const DecodeAttention& a, const Query& query, bool used) {
    float4 low = make_float4(0, 0, 0, 0);
    float4 high = low;
    if (used) {
      const int64_t at = query.IndexIn(a) * a.d_key + threadIdx.x % kLanes * kVector;
      low = __ldcg(reinterpret_cast<const float4*>(a.queries + at));
      high = __ldcg(reinterpret_cast<const float4*>(a.queries + at) + 1);
    }
    Set(a, low, high);
  }
  // Of query `index` of all rows', by the lane that has vector `vector`.
  __device__ __forceinline__ VectorQuery(const DecodeAttention& a, int64_t index, int vector) {
    const auto* const from =
        reinterpret_cast<const float4*>(a.queries + index * a.d_key + vector * kVector);
    Set(a, __ldcg(from), __ldcg(from + 1));
  }
  // Of the lane's part as it is.
  __device__ __forceinline__ VectorQuery(const DecodeAttention& a, float4 low, float4 high) {
    Set(a, low, high);
  }
  // Of a query in shared memory.
  __device__ __forceinline__ VectorQuery(const DecodeAttention& a, const float* query) {
    const auto* const from = reinterpret_cast<const float4*>(query) + threadIdx.x % kLanes * 2;
    Set(a, from[0], from[1]);
  }

 private:
  __device__ __forceinline__ void Set(const DecodeAttention& a, float4 low, float4 high) {
    const float scale = a.scale * kLog2OfE;
    const float read[kVector] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
    for (int i = 0; i < kVector; ++i) elements[i] = read[i] * scale;
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

// Products of the query with the keys of `kCount` turns, to `scores`; `read(i)` is the lane's
// vector of the i-th of them.
template <Operand kOperand, class Turns, int kCount, typename Read>
__device__ __forceinline__ void Score(int first_turn, int keys,
                                      const VectorQuery<Turns::kLanes>& query, float* scores,
                                      Read&& read) {
  const int thread = static_cast<int>(threadIdx.x) % Turns::kThreads;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    float key[kVector];
    Widen<kOperand>(read(i), key);
    float product = 0;
#pragma unroll
    for (int j = 0; j < kVector; ++j) product = fmaf(query.elements[j], key[j], product);
#pragma unroll
    for (int distance = Turns::kLanes / 2; distance > 0; distance /= 2) {
      product += __shfl_xor_sync(0xFFFFFFFFu, product, distance);
    }
    const int at = (first_turn + i) * Turns::kGroups + thread / Turns::kLanes;
    if (thread % Turns::kLanes == 0 && at < keys) scores[at] = product;
  }
}

// The lane's sums of values by weight, over its turns in order, and of the weights.
struct VectorSums {
  float values[kVector] = {};
  float weights = 0;
};

// With the values of `kCount` more turns.
template <Operand kOperand, class Turns, int kCount, typename Read>
__device__ __forceinline__ VectorSums Weigh(VectorSums sums, int first_turn, int keys,
                                            const float* scores, float largest, Read&& read) {
  const int thread = static_cast<int>(threadIdx.x) % Turns::kThreads;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const int at = (first_turn + i) * Turns::kGroups + thread / Turns::kLanes;
    if (at >= keys) continue;
    const float weight = Exp2(scores[at] - largest);
    float value[kVector];
    Widen<kOperand>(read(i), value);
#pragma unroll
    for (int j = 0; j < kVector; ++j) sums.values[j] = fmaf(weight, value[j], sums.values[j]);
    sums.weights += weight;
  }
  return sums;
}

// The sums of all of the warp's lane groups, to `values` and `weights` of the warp.
template <int kLanes>
__device__ __forceinline__ void ShareSums(VectorSums sums, bool used, float* values,
                                          float* weights) {
#pragma unroll
  for (int distance = 16; distance >= kLanes; distance /= 2) {
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      sums.values[j] += __shfl_xor_sync(0xFFFFFFFFu, sums.values[j], distance);
    }
    sums.weights += __shfl_xor_sync(0xFFFFFFFFu, sums.weights, distance);
  }
  const int lane = threadIdx.x % 32;
  if (lane >= kLanes || !used) return;
  auto* const to = reinterpret_cast<float4*>(values + lane * kVector);
  to[0] = make_float4(sums.values[0], sums.values[1], sums.values[2], sums.values[3]);
  to[1] = make_float4(sums.values[4], sums.values[5], sums.values[6], sums.values[7]);
  if (lane == 0) *weights = sums.weights;
}

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_VECTORS_CUH_
