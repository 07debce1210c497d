// A query's chunks by a block each, in registers before the query is there.
//
// For few queries, where latency counts: all of a chunk's keys and values, but for the query's own,
// are on their way before the wait for the grid before. Sums of a chunk: a lane's turns in order,
// then the warp's lane groups, then the warps in order.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_EARLY_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_EARLY_CUH_

#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/attention_vectors.cuh"
#include "engine/cuda/kernels/launch.h"

namespace strided::cuda::attention {

inline constexpr int kMaxBatch = 8;  // vectors that a lane has in flight

// Vectors of consecutive turns in registers.
template <class Turns>
struct VectorBatch {
  static constexpr int kGroups = Turns::kGroups;
  static constexpr int kBatch = Turns::kTurns < kMaxBatch ? Turns::kTurns : kMaxBatch;
  uint4 vectors[kBatch];

  // Reads the turns first_turn..., but not key `without`.
  __device__ __forceinline__ void Fetch(const VectorRows& from, const int* rows, int keys,
                                        int first_turn, int without) {
    const int group = threadIdx.x / Turns::kLanes;
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int key = (first_turn + i) * kGroups + group;
      vectors[i] = make_uint4(0, 0, 0, 0);
      if (key < keys && key != without && from.used) vectors[i] = __ldcg(from.At(rows[key]));
    }
  }
  // Reads key `key`, if it is one of the first batch's. Requires that it is one of the chunk's.
  __device__ __forceinline__ void FetchOne(const VectorRows& from, const int* rows, int key) {
    if (key % kGroups != threadIdx.x / Turns::kLanes || !from.used) return;
    Put(key, __ldcg(from.At(rows[key])));
  }
  // The same key's vector. Requires that it is the lane's.
  __device__ __forceinline__ void Put(int key, uint4 vector) {
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

template <Operand kOperandOf, int kWarpsOf, int kKeyLanes, int kValueLanes>
struct EarlyAttention {
  static constexpr Operand kOperand = kOperandOf;
  static constexpr int kWarps = kWarpsOf;
  // Of a multiprocessor, where that costs no spills.
  static constexpr int kBlocks = kWarps == 4 && kKeyLanes <= 4 ? 8 : 1;
  static_assert(32 * kWarps >= kAttentionChunk, "a thread lists the row of a key");
  using KeyTurns = VectorTurns<kWarps, kKeyLanes>;
  using ValueTurns = VectorTurns<kWarps, kValueLanes>;
  using KeyBatch = VectorBatch<KeyTurns>;
  using ValueBatch = VectorBatch<ValueTurns>;

  struct Shared {
    int rows[kAttentionChunk];
    float scores[kAttentionChunk];
    float weights[kWarps];
    __align__(16) float sums[kWarps][kValueLanes * kVector];
  };

  static __device__ __forceinline__ void Run(const DecodeAttention& a, Shared& shared) {
    const int chunk = blockIdx.x;
    Query query;
    bool busy = FindQuery(a, 2, query);
    const int keys = busy ? query.KeysOf(chunk) : 0;
    busy = busy && (keys > 0 || chunk == 0);
    const VectorRows key_rows = VectorRowsOf<kKeyLanes>(query.keys_at, a.d_key);
    const VectorRows value_rows = VectorRowsOf<kValueLanes>(query.values_at, a.d_value);
    // The query's own key and value are written by the grid before this one.
    const int own = query.layout.OwnKey(query.position) - chunk * kAttentionChunk;
    KeyBatch key_batch;
    ValueBatch value_batch;
    if (busy) {
      ListRows(query, chunk, shared.rows);
      __syncthreads();
      key_batch.Fetch(key_rows, shared.rows, keys, 0, own);
      value_batch.Fetch(value_rows, shared.rows, keys, 0, own);
      if (a.next_heads != nullptr && threadIdx.x < kAttentionChunk) {
        PrefetchNext(a, query, 2, chunk * kAttentionChunk + static_cast<int>(threadIdx.x));
      }
    }
    WaitForGridBefore();
    if (!busy) return;
    const VectorQuery<kKeyLanes> vectors(a, query, key_rows.used);
    if (own >= 0 && own < keys) {
      key_batch.FetchOne(key_rows, shared.rows, own);
      value_batch.FetchOne(value_rows, shared.rows, own);
    }
#pragma unroll 1
    for (int turn = 0; turn * KeyTurns::kGroups < keys; turn += KeyBatch::kBatch) {
      if (turn > 0) key_batch.Fetch(key_rows, shared.rows, keys, turn, -1);
      Score<kOperand, KeyTurns, KeyBatch::kBatch>(turn, keys, vectors, shared.scores,
                                                  [&](int i) { return key_batch.vectors[i]; });
    }
    __syncthreads();
    const float largest = LargestScore(shared.scores, keys);
    VectorSums sums;
#pragma unroll 1
    for (int turn = 0; turn * ValueTurns::kGroups < keys; turn += ValueBatch::kBatch) {
      if (turn > 0) value_batch.Fetch(value_rows, shared.rows, keys, turn, -1);
      sums = Weigh<kOperand, ValueTurns, ValueBatch::kBatch>(
          sums, turn, keys, shared.scores, largest, [&](int i) { return value_batch.vectors[i]; });
    }
    const int warp = threadIdx.x / 32;
    ShareSums<kValueLanes>(sums, value_rows.used, shared.sums[warp], shared.weights + warp);
    __syncthreads();
    Conclude(a, query, chunk, largest, shared);
  }

 private:
  static __device__ __forceinline__ void Conclude(const DecodeAttention& a, const Query& query,
                                                  int chunk, float largest, const Shared& shared) {
    float sum = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) sum += shared.weights[w];
    WriteShare<kOperand>(a, query, chunk, largest, sum, SharesOf(a, query), [&](int i) {
      float value = 0;
#pragma unroll
      for (int w = 0; w < kWarps; ++w) value += shared.sums[w][i];
      return value;
    });
    if (query.chunks > 1) Arrive<kOperand>(a, query, query.chunks);
  }
};

// Grid: (chunks, heads, rows).
template <class Early>
__global__ void __launch_bounds__(32 * Early::kWarps, Early::kBlocks)
    EarlyAttentionKernel(const __grid_constant__ DecodeAttention a) {
  __shared__ typename Early::Shared shared;
  LetNextGridStart();
  Early::Run(a, shared);
}

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_EARLY_CUH_
