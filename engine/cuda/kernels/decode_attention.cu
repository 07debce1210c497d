#include <algorithm>

#include "engine/cuda/kernels/decode_attention.h"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/row_norm.cuh"

namespace strided::cuda {
namespace {

constexpr int kVector = 8;      // 16-bit elements of 16 bytes
constexpr int kMaxWidth = 256;  // of a head that is read in vectors
constexpr int kMaxBatch = 8;    // vectors that a lane has in flight
constexpr float kLog2E = 1.44269504f;

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

// -- Heads whose widths are whole vectors: kKeyLanes lanes read one key, kValueLanes one value.

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

// Grid: (chunks, heads, rows).
template <Operand kOperand, int kWarps, int kKeyLanes, int kValueLanes>
__global__ void __launch_bounds__(32 * kWarps)
    VectorAttentionKernel(const __grid_constant__ DecodeAttention a) {
  using KeyBatch = VectorBatch<kWarps, kKeyLanes>;
  using ValueBatch = VectorBatch<kWarps, kValueLanes>;
  __shared__ int rows[kAttentionChunk];
  __shared__ float scores[kAttentionChunk];
  __shared__ __align__(16) float shared_sums[kWarps][kMaxWidth];
  __shared__ float shared_weights[kWarps];
  LetNextGridStart();
  Chunk chunk;
  const bool busy = FindChunk(a, 2, chunk);
  const int key_vector = threadIdx.x % kKeyLanes;
  const int value_vector = threadIdx.x % kValueLanes;
  const VectorRows key_rows = {reinterpret_cast<const uint4*>(chunk.keys_at) + key_vector,
                               a.d_key / kVector, key_vector < a.d_key / kVector};
  const VectorRows value_rows = {reinterpret_cast<const uint4*>(chunk.values_at) + value_vector,
                                 a.d_value / kVector, value_vector < a.d_value / kVector};
  // The query's own key and value are written by the grid before this one.
  const int own = chunk.layout.OwnKey(chunk.query) - chunk.first;
  KeyBatch keys;
  ValueBatch values;
  if (busy) {
    ListRows(chunk, rows);
    __syncthreads();
    keys.Fetch(key_rows, rows, chunk.keys, 0, own);
    values.Fetch(value_rows, rows, chunk.keys, 0, own);
    if (a.next_heads != nullptr) PrefetchNext(a, chunk);
  }
  WaitForGridBefore();
  if (!busy) return;

  float4 low = make_float4(0, 0, 0, 0);
  float4 high = low;
  if (key_rows.used) {
    const int64_t at = (static_cast<int64_t>(chunk.row) * a.n_head + chunk.head) * a.d_key;
    const auto* const from = reinterpret_cast<const float4*>(a.queries + at + key_vector * kVector);
    low = __ldcg(from);
    high = __ldcg(from + 1);
  }
  if (own >= 0 && own < chunk.keys) {
    keys.FetchOne(key_rows, rows, own);
    values.FetchOne(value_rows, rows, own);
  }
  const float scale = a.scale * kLog2E;  // then exp is a power of two
  const float query[kVector] = {low.x * scale,  low.y * scale,  low.z * scale,  low.w * scale,
                                high.x * scale, high.y * scale, high.z * scale, high.w * scale};

#pragma unroll 1
  for (int turn = 0; turn * KeyBatch::kGroups < chunk.keys; turn += KeyBatch::kBatch) {
    if (turn > 0) keys.Fetch(key_rows, rows, chunk.keys, turn, -1);
    Score<kOperand>(chunk, keys, query, turn, scores);
  }
  __syncthreads();
  const float largest = LargestScore(scores, chunk.keys);
  float sums[kVector + 1] = {};  // of the values' elements by weight, and of the weights
#pragma unroll 1
  for (int turn = 0; turn * ValueBatch::kGroups < chunk.keys; turn += ValueBatch::kBatch) {
    if (turn > 0) values.Fetch(value_rows, rows, chunk.keys, turn, -1);
    Weigh<kOperand>(chunk, values, scores, largest, turn, sums);
  }

  // Over the warp's lane groups, then over the warps.
#pragma unroll
  for (int j = 0; j <= kVector; ++j) {
#pragma unroll
    for (int distance = 16; distance >= kValueLanes; distance /= 2) {
      sums[j] += __shfl_xor_sync(0xFFFFFFFFu, sums[j], distance);
    }
  }
  if (threadIdx.x % 32 < kValueLanes && value_rows.used) {
    float* const mine = shared_sums[threadIdx.x / 32] + value_vector * kVector;
    *reinterpret_cast<float4*>(mine) = make_float4(sums[0], sums[1], sums[2], sums[3]);
    *reinterpret_cast<float4*>(mine + 4) = make_float4(sums[4], sums[5], sums[6], sums[7]);
    if (value_vector == 0) shared_weights[threadIdx.x / 32] = sums[kVector];
  }
  __syncthreads();
  Share share = {largest, 0};
#pragma unroll
  for (int w = 0; w < kWarps; ++w) share.sum += shared_weights[w];
  Conclude<kOperand>(a, chunk, share, [&](int i) {
    float sum = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) sum += shared_sums[w][i];
    return sum;
  });
}

// -- Heads of any width and type: a warp per key, a thread per value.

constexpr int kAnyWarps = 8;

template <Operand kOperand>
__global__ void __launch_bounds__(32 * kAnyWarps)
    AnyAttentionKernel(const __grid_constant__ DecodeAttention a) {
  using Traits = OperandTraits<kOperand>;
  using Type = typename Traits::Type;
  __shared__ int rows[kAttentionChunk];
  __shared__ float scores[kAttentionChunk];
  WaitForGridBefore();
  LetNextGridStart();
  Chunk chunk;
  if (!FindChunk(a, sizeof(Type), chunk)) return;
  ListRows(chunk, rows);
  __syncthreads();
  const auto* const keys = reinterpret_cast<const Type*>(chunk.keys_at);
  const auto* const values = reinterpret_cast<const Type*>(chunk.values_at);
  const float* const query =
      a.queries + (static_cast<int64_t>(chunk.row) * a.n_head + chunk.head) * a.d_key;
  for (int k = threadIdx.x / 32; k < chunk.keys; k += kAnyWarps) {
    const Type* const key = keys + static_cast<int64_t>(rows[k]) * a.d_key;
    float product = 0;
    for (int i = threadIdx.x % 32; i < a.d_key; i += 32) {
      product = fmaf(__ldcg(query + i), Traits::ToFloat(__ldcg(key + i)), product);
    }
    product = WarpSum(product);
    if (threadIdx.x % 32 == 0) scores[k] = product * (a.scale * kLog2E);
  }
  __syncthreads();
  Share share = {LargestScore(scores, chunk.keys), 0};
  for (int k = 0; k < chunk.keys; ++k) share.sum += exp2f(scores[k] - share.largest);
  Conclude<kOperand>(a, chunk, share, [&](int i) {
    float sum = 0;
    for (int k = 0; k < chunk.keys; ++k) {
      const int64_t row = rows[k];
      const float value = Traits::ToFloat(__ldcg(values + row * a.d_value + i));
      sum = fmaf(exp2f(scores[k] - share.largest), value, sum);
    }
    return sum;
  });
}

LaunchShape ShapeOf(const DecodeAttention& a, int warps) {
  LaunchShape shape;
  shape.grid = dim3(a.chunks, a.n_head, a.rows);
  shape.block = dim3(32 * warps);
  shape.dependent = true;
  shape.in_decode_step = true;
  return shape;
}

// Lanes that read one row: the power of two from 2 to 32 that holds its vectors; 0 where it is not
// read in vectors.
int LanesOf(int width) {
  if (width % kVector != 0 || width > kMaxWidth) return 0;
  int lanes = 2;
  while (lanes * kVector < width) lanes *= 2;
  return lanes;
}

template <Operand kOperand>
absl::Status LaunchOperand(const DecodeAttention& a, cudaStream_t stream) {
  const auto launch = [&](auto kernel, int warps) {
    return Launch("decode attention", kernel, ShapeOf(a, warps), stream, a);
  };
  const int key_lanes = LanesOf(a.d_key);
  const int value_lanes = LanesOf(a.d_value);
  if constexpr (kOperand != Operand::kFloat32) {
    // The released CIFAR-10 networks: keys of 64, values of 128.
    if (key_lanes == 8 && value_lanes == 16) {
      return launch(VectorAttentionKernel<kOperand, 8, 8, 16>, 8);
    }
    // Otherwise keys and values are read by as many lanes as the wider of them takes.
    switch (key_lanes > 0 && value_lanes > 0 ? std::max(key_lanes, value_lanes) : 0) {
      case 2:
        return launch(VectorAttentionKernel<kOperand, 4, 2, 2>, 4);
      case 4:
        return launch(VectorAttentionKernel<kOperand, 4, 4, 4>, 4);
      case 8:
        return launch(VectorAttentionKernel<kOperand, 4, 8, 8>, 4);
      case 16:
        return launch(VectorAttentionKernel<kOperand, 8, 16, 16>, 8);
      case 32:
        return launch(VectorAttentionKernel<kOperand, 8, 32, 32>, 8);
      default:
        break;
    }
  }
  return launch(AnyAttentionKernel<kOperand>, kAnyWarps);
}

}  // namespace

absl::Status LaunchDecodeAttention(const DecodeAttention& attention, cudaStream_t stream) {
  switch (attention.operand) {
    case Operand::kFloat32:
      return LaunchOperand<Operand::kFloat32>(attention, stream);
    case Operand::kFloat16:
      return LaunchOperand<Operand::kFloat16>(attention, stream);
    case Operand::kBfloat16:
      return LaunchOperand<Operand::kBfloat16>(attention, stream);
  }
  return absl::InternalError("no attention for this operand");
}

}  // namespace strided::cuda
