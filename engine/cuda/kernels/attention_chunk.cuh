// One chunk of a query's keys in decode attention: where its rows are, and what becomes of its
// sums.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_CHUNK_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_CHUNK_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/block_scope.cuh"
#include "engine/cuda/kernels/decode_attention.h"
#include "engine/cuda/kernels/exponential.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/row_norm.cuh"
#include "engine/cuda/kernels/warp_math.cuh"

namespace strided::cuda::attention {

inline constexpr int kVector = 8;      // 16-bit elements of 16 bytes
inline constexpr int kMaxWidth = 256;  // of a head that is read in vectors

// Whose keys a block reads.
struct Query {
  int row = 0;
  int head = 0;
  int position = 0;
  int length = 0;  // N
  int keys = 0;
  int chunks = 0;  // 0: it reads nothing
  HeadRows layout;
  const std::byte* keys_at = nullptr;
  const std::byte* values_at = nullptr;

  __device__ __forceinline__ int KeysOf(int chunk) const {
    return min(keys - chunk * kAttentionChunk, kAttentionChunk);
  }
  // Its place among all rows' queries.
  __device__ __forceinline__ int64_t IndexIn(const DecodeAttention& a) const {
    return static_cast<int64_t>(row) * a.n_head + head;
  }
};

// The query of a row and a head, whose layout is `layout`; false where the row is idle.
__device__ __forceinline__ bool FindQueryOf(const DecodeAttention& a, int element_bytes, int row,
                                            int head, const HeadRows& layout, Query& query) {
  query.head = head;
  query.row = row;
  const DecodeRow& state = a.row_states[query.row];
  if (state.slot < 0) return false;
  const DeviceSequence& sequence = a.sequences[state.slot];
  query.layout = layout;
  query.position = state.position;
  query.length = sequence.max_length;
  query.keys = query.layout.KeyCount(query.position);
  query.chunks = (query.keys + kAttentionChunk - 1) / kAttentionChunk;
  query.keys_at = sequence.cache + sequence.head_offsets[a.first_head + query.head];
  query.values_at = query.keys_at +
                    static_cast<int64_t>(query.layout.Rows(query.length)) * a.d_key * element_bytes;
  return true;
}

__device__ __forceinline__ bool FindQueryOf(const DecodeAttention& a, int element_bytes, int row,
                                            int head, Query& query) {
  return FindQueryOf(a, element_bytes, row, head, a.heads[head], query);
}

// The query of blockIdx.y and z.
__device__ __forceinline__ bool FindQuery(const DecodeAttention& a, int element_bytes,
                                          Query& query) {
  return FindQueryOf(a, element_bytes, blockIdx.z, blockIdx.y, query);
}

// The rows of a chunk's keys, one per thread: a block has at least kAttentionChunk threads.
__device__ __forceinline__ void ListRows(const Query& query, int chunk, int* rows) {
  const int k = threadIdx.x;
  if (k < query.KeysOf(chunk)) {
    rows[k] = query.layout.KeyRow(query.position, chunk * kAttentionChunk + k, query.length);
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

// Asks the second-level cache for what the next layer reads of key `key`, if its query has one.
__device__ __forceinline__ void PrefetchNext(const DecodeAttention& a, const Query& query,
                                             int element_bytes, int key) {
  const HeadRows layout = a.next_heads[query.head];
  if (key >= layout.KeyCount(query.position)) return;
  const DeviceSequence& sequence = a.sequences[a.row_states[query.row].slot];
  const int64_t row = layout.KeyRow(query.position, key, query.length);
  const std::byte* const keys =
      sequence.cache + sequence.head_offsets[a.next_first_head + query.head];
  const std::byte* const values =
      keys + static_cast<int64_t>(layout.Rows(query.length)) * a.d_key * element_bytes;
  constexpr int kLine = 128;
#pragma unroll 1
  for (int i = 0; i < a.d_key * element_bytes; i += kLine) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(keys + row * a.d_key * element_bytes + i));
  }
#pragma unroll 1
  for (int i = 0; i < a.d_value * element_bytes; i += kLine) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(values + row * a.d_value * element_bytes + i));
  }
}

// -- Shares of chunks: [d_value] sums of values weighted by 2^(score - largest), then the largest
// score in units of log2, then the sum of those weights.

__device__ __forceinline__ int ShareStride(const DecodeAttention& a) { return a.d_value + 2; }

template <Operand kOperand>
__device__ __forceinline__ auto* OutputOf(const DecodeAttention& a, const Query& query) {
  using Type = typename OperandTraits<kOperand>::Type;
  return reinterpret_cast<Type*>(a.out) + query.IndexIn(a) * a.d_value;
}

// Chunks whose shares are combined by one warp, where a query has more: a stretch. What a block can
// do at once is then bound by reading them, not by one thread's way through all of them.
inline constexpr int kStretch = 32;

// Combines the shares of each stretch, in their order, and puts the stretch's own share in the
// place of its first chunk's. A warp takes every Threads() / 32-th stretch. By all of `By`.
template <class By, typename Read>
__device__ __forceinline__ void CombineStretches(const DecodeAttention& a, const Query& query,
                                                 float* shares, Read&& read) {
  const int stride = ShareStride(a);
  const int lane = threadIdx.x % 32;
#pragma unroll 1
  for (int first = By::Thread() / 32 * kStretch; first < query.chunks; first += By::Threads()) {
    const int chunk = first + lane;  // whose weight the lane knows
    const bool used = chunk < query.chunks;
    const float of_chunk = used ? read(chunk * stride + a.d_value) : -INFINITY;
    const float largest = WarpMax(of_chunk);
    const float weight = used ? Exp2(of_chunk - largest) : 0;
    const float sum = WarpSum(used ? weight * read(chunk * stride + a.d_value + 1) : 0);
#pragma unroll 1
    for (int i = lane; i - lane < a.d_value; i += 32) {
      float value = 0;
#pragma unroll 16
      for (int c = 0; c < kStretch; ++c) {
        const bool reads = first + c < query.chunks && i < a.d_value;
        const float share = reads ? read((first + c) * stride + i) : 0;
        value = fmaf(__shfl_sync(0xFFFFFFFFu, weight, c), share, value);
      }
      if (i < a.d_value) shares[first * stride + i] = value;
    }
    if (lane == 0) {
      shares[first * stride + a.d_value] = largest;
      shares[first * stride + a.d_value + 1] = sum;
    }
  }
}

// The query's output from its chunks' shares, in their order, or from those of its stretches where
// it has several; `read(i)` is the i-th float of `shares`. By all of `By`.
template <Operand kOperand, class By = WholeBlock, typename Read>
__device__ __forceinline__ void Combine(const DecodeAttention& a, const Query& query, float* shares,
                                        Read&& read) {
  int parts = query.chunks;
  int stride = ShareStride(a);
  if (parts > kStretch) {
    CombineStretches<By>(a, query, shares, read);
    By::Sync();
    parts = (parts + kStretch - 1) / kStretch;
    stride *= kStretch;
  }
  float largest = -INFINITY;
  for (int c = 0; c < parts; ++c) {
    largest = fmaxf(largest, read(c * stride + a.d_value));
  }
#pragma unroll 1
  for (int i = By::Thread(); i < a.d_value; i += By::Threads()) {
    float sum = 0;
    float value = 0;
#pragma unroll 4
    for (int c = 0; c < parts; ++c) {
      const float weight = Exp2(read(c * stride + a.d_value) - largest);
      sum = fmaf(weight, read(c * stride + a.d_value + 1), sum);
      value = fmaf(weight, read(c * stride + i), value);
    }
    OutputOf<kOperand>(a, query)[i] = OperandTraits<kOperand>::From(value / sum);
  }
}

// Where the shares of a query of several blocks lie.
__device__ __forceinline__ float* SharesOf(const DecodeAttention& a, const Query& query) {
  return a.partials + query.IndexIn(a) * a.chunks * ShareStride(a);
}

// Counts the block among the `blocks` of its query; the last of them combines all shares. By all of
// `By`, after they have written their own.
template <Operand kOperand, class By = WholeBlock>
__device__ __forceinline__ void Arrive(const DecodeAttention& a, const Query& query, int blocks) {
  __threadfence();
  __shared__ bool last[By::kTeams];
  By::Sync();
  if (By::Thread() == 0) {
    int32_t* const arrivals = a.arrivals + query.IndexIn(a);
    const bool is_last = atomicAdd(arrivals, 1) == blocks - 1;
    last[By::Index()] = is_last;
    if (is_last) *arrivals = 0;
  }
  By::Sync();
  if (!last[By::Index()]) return;
  __threadfence();
  float* const shares = SharesOf(a, query);
  Combine<kOperand, By>(a, query, shares, [&](int i) { return __ldcg(shares + i); });
}

// Writes one chunk's share: to `out` where the query has no other, else to `shares`. `sum` is of
// its weights, `value_of(i)` its i-th weighted value. By all of `By`.
template <Operand kOperand, class By = WholeBlock, typename ValueOf>
__device__ __forceinline__ void WriteShare(const DecodeAttention& a, const Query& query, int chunk,
                                           float largest, float sum, float* shares,
                                           ValueOf&& value_of) {
  if (query.chunks <= 1) {
    const float inverse = query.keys > 0 ? 1.0f / sum : 0.0f;
#pragma unroll 1
    for (int i = By::Thread(); i < a.d_value; i += By::Threads()) {
      OutputOf<kOperand>(a, query)[i] = OperandTraits<kOperand>::From(value_of(i) * inverse);
    }
    return;
  }
  float* const mine = shares + chunk * ShareStride(a);
#pragma unroll 1
  for (int i = By::Thread(); i < a.d_value; i += By::Threads()) mine[i] = value_of(i);
  if (By::Thread() == 0) {
    mine[a.d_value] = largest;
    mine[a.d_value + 1] = sum;
  }
}

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_CHUNK_CUH_
