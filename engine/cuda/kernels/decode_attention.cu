#include <algorithm>

#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/attention_vectors.cuh"
#include "engine/cuda/kernels/decode_attention.h"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/row_norm.cuh"

namespace strided::cuda {
namespace {

using namespace attention;

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
