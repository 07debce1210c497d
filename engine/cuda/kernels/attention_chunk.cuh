// One chunk of a query's keys in decode attention: where its rows are, and what becomes of its
// sums.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_CHUNK_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_CHUNK_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/decode_attention.h"
#include "engine/cuda/kernels/fragments.cuh"

namespace strided::cuda::attention {

inline constexpr int kVector = 8;      // 16-bit elements of 16 bytes
inline constexpr int kMaxWidth = 256;  // of a head that is read in vectors
inline constexpr int kMaxBatch = 8;    // vectors that a lane has in flight
inline constexpr float kLog2E = 1.44269504f;

// The largest over the warp's lanes, in every lane.
__device__ __forceinline__ float WarpMax(float value) {
  // Integers in the order of floats: negative ones count down.
  const int bits = __float_as_int(value);
  const int ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF);
  const int largest = __reduce_max_sync(0xFFFFFFFFu, ordered);
  return __int_as_float(largest ^ ((largest >> 31) & 0x7FFFFFFF));
}

// What a block works on.
struct Chunk {
  int row = 0;
  int head = 0;
  int query = 0;   // position
  int length = 0;  // N
  int first = 0;   // of the query's keys
  int keys = 0;    // of this chunk; at most kAttentionChunk
  int chunks = 0;  // of the query; 0: it reads nothing
  HeadRows layout;
  const std::byte* keys_at = nullptr;
  const std::byte* values_at = nullptr;
};

// False where the block has nothing to do: the row is idle, or its query has fewer chunks. Chunk 0
// of a query that reads nothing has `keys` 0.
__device__ bool FindChunk(const DecodeAttention& a, int element_bytes, Chunk& chunk) {
  chunk.head = blockIdx.y;
  chunk.row = blockIdx.z;
  const DecodeRow& state = a.row_states[chunk.row];
  if (state.slot < 0) return false;
  const DeviceSequence& sequence = a.sequences[state.slot];
  chunk.layout = a.heads[chunk.head];
  chunk.query = state.position;
  chunk.length = sequence.max_length;
  const int keys = chunk.layout.KeyCount(chunk.query);
  chunk.chunks = (keys + kAttentionChunk - 1) / kAttentionChunk;
  chunk.first = blockIdx.x * kAttentionChunk;
  chunk.keys = min(keys - chunk.first, kAttentionChunk);
  if (chunk.keys <= 0 && blockIdx.x > 0) return false;
  chunk.keys_at = sequence.cache + sequence.head_offsets[a.first_head + chunk.head];
  chunk.values_at = chunk.keys_at +
                    static_cast<int64_t>(chunk.layout.Rows(chunk.length)) * a.d_key * element_bytes;
  return true;
}

// The rows of the chunk's keys, one per thread: a block has at least kAttentionChunk threads.
__device__ __forceinline__ void ListRows(const Chunk& chunk, int* rows) {
  const int k = threadIdx.x;
  if (k < chunk.keys) {
    rows[k] = chunk.layout.KeyRow(chunk.query, chunk.first + k, chunk.length);
  }
}

// The largest of a chunk's scores; by every warp alike.
__device__ __forceinline__ float LargestScore(const float* scores, int keys) {
  float largest = -INFINITY;
#pragma unroll
  for (int i = 0; i < kAttentionChunk / 32; ++i) {
    const int k = i * 32 + threadIdx.x % 32;
    if (k < keys) largest = fmaxf(largest, scores[k]);
  }
  return WarpMax(largest);
}

// Asks the second-level cache for what the same block reads in the next layer: a row per thread.
__device__ __forceinline__ void PrefetchNext(const DecodeAttention& a, const Chunk& chunk) {
  const HeadRows layout = a.next_heads[chunk.head];
  const int k = chunk.first + static_cast<int>(threadIdx.x);
  if (threadIdx.x >= kAttentionChunk || k >= layout.KeyCount(chunk.query)) return;
  const DeviceSequence& sequence = a.sequences[a.row_states[chunk.row].slot];
  const int64_t row = layout.KeyRow(chunk.query, k, chunk.length);
  const std::byte* const keys =
      sequence.cache + sequence.head_offsets[a.next_first_head + chunk.head];
  const std::byte* const values =
      keys + static_cast<int64_t>(layout.Rows(chunk.length)) * a.d_key * 2;
  constexpr int kLine = 128;
#pragma unroll 1
  for (int i = 0; i < a.d_key * 2; i += kLine) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(keys + row * a.d_key * 2 + i));
  }
#pragma unroll 1
  for (int i = 0; i < a.d_value * 2; i += kLine) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(values + row * a.d_value * 2 + i));
  }
}

// A chunk's share of a query's output.
struct Share {
  float largest;  // score, in units of log2
  float sum;      // of 2^(score - largest)
};

// The query's output from the chunks' shares, in their order. By the whole block.
template <Operand kOperand>
__device__ void Combine(const DecodeAttention& a, const Chunk& chunk, const float* partials,
                        typename OperandTraits<kOperand>::Type* out) {
  const int stride = a.d_value + 2;
  float largest = -INFINITY;
  for (int c = 0; c < chunk.chunks; ++c) {
    largest = fmaxf(largest, __ldcg(partials + c * stride + a.d_value));
  }
#pragma unroll 1
  for (int i = threadIdx.x; i < a.d_value; i += blockDim.x) {
    float sum = 0;
    float value = 0;
#pragma unroll 4
    for (int c = 0; c < chunk.chunks; ++c) {
      const float* const share = partials + c * stride;
      const float weight = exp2f(__ldcg(share + a.d_value) - largest);
      sum += weight * __ldcg(share + a.d_value + 1);
      value += weight * __ldcg(share + i);
    }
    out[i] = OperandTraits<kOperand>::From(value / sum);
  }
}

// Writes the chunk's weighted values, of which `value_of(i)` is the i-th: to `out` where the query
// has one chunk, else to the partials, from which the last block to arrive makes the output.
template <Operand kOperand, typename ValueOf>
__device__ __forceinline__ void Conclude(const DecodeAttention& a, const Chunk& chunk,
                                         const Share& share, ValueOf&& value_of) {
  using Traits = OperandTraits<kOperand>;
  const int64_t query = static_cast<int64_t>(chunk.row) * a.n_head + chunk.head;
  auto* const out = reinterpret_cast<typename Traits::Type*>(a.out) + query * a.d_value;
  if (chunk.chunks <= 1) {
    const float inverse = chunk.keys > 0 ? 1.0f / share.sum : 0.0f;
#pragma unroll 1
    for (int i = threadIdx.x; i < a.d_value; i += blockDim.x) {
      out[i] = Traits::From(value_of(i) * inverse);
    }
    return;
  }
  const int stride = a.d_value + 2;
  float* const partials = a.partials + query * a.chunks * stride;
  float* const mine = partials + blockIdx.x * stride;
#pragma unroll 1
  for (int i = threadIdx.x; i < a.d_value; i += blockDim.x) __stcg(mine + i, value_of(i));
  if (threadIdx.x == 0) {
    __stcg(mine + a.d_value, share.largest);
    __stcg(mine + a.d_value + 1, share.sum);
  }
  __threadfence();
  __shared__ bool last;
  __syncthreads();
  if (threadIdx.x == 0) {
    last = atomicAdd(a.arrivals + query, 1) == chunk.chunks - 1;
    if (last) a.arrivals[query] = 0;
  }
  __syncthreads();
  if (!last) return;
  __threadfence();
  Combine<kOperand>(a, chunk, partials, out);
}

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_CHUNK_CUH_
