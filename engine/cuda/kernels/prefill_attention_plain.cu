#include "engine/cuda/kernels/attention_source.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/prefill_attention_plain.h"
#include "engine/cuda/kernels/row_norm.cuh"

namespace strided::cuda {
namespace {

// One warp per query, head and slice of kSlice elements of the value. Keys are taken 32 at a time,
// a lane each for the scores; the lanes are then elements of the value, and keys come in order.
constexpr int kWarps = 4;
constexpr int kLanes = 32;
constexpr int kElements = 8;  // of a value, of one lane
constexpr int kSlice = kLanes * kElements;

__device__ __forceinline__ float WarpLargest(float value) {
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, distance));
  }
  return value;
}

struct QueryState {
  float largest = -INFINITY;
  float weights = 0;
  float values[kElements] = {};
};

template <Operand kOperand>
struct PlainAttention {
  using Traits = OperandTraits<kOperand>;
  using Type = typename Traits::Type;

  static __device__ float Score(const Type* query, const Type* key, int d_key) {
    float sum = 0;
    for (int i = 0; i < d_key; ++i) {
      sum = fmaf(Traits::ToFloat(query[i]), Traits::ToFloat(key[i]), sum);
    }
    return sum;
  }

  // Up to 32 keys of a span, from `first`.
  static __device__ void Attend(const PrefillAttention& a, const Type* query,
                                const KeySource<Type>& source, const KeySpan& span, int first,
                                QueryState& state) {
    const int lane = threadIdx.x % kLanes;
    const int count = min(kLanes, span.end - first);
    const bool mine = lane < count;
    const auto row = source.At(span.axis, mine ? first + lane : first);
    const float score = mine ? Score(query, row.key, a.d_key) * a.scale : -INFINITY;
    const float largest = fmaxf(state.largest, WarpLargest(score));
    const float factor = expf(state.largest - largest);
    const float weight = mine ? expf(score - largest) : 0.0f;
    state.largest = largest;
    state.weights = state.weights * factor + WarpSum(weight);
    for (float& value : state.values) value *= factor;
    for (int k = 0; k < count; ++k) {
      const float of_key = __shfl_sync(0xFFFFFFFFu, weight, k);
      const auto address = reinterpret_cast<unsigned long long>(row.value);
      const auto* const value = reinterpret_cast<const Type*>(__shfl_sync(0xFFFFFFFFu, address, k));
#pragma unroll
      for (int e = 0; e < kElements; ++e) {
        const int column = blockIdx.z * kSlice + e * kLanes + lane;
        if (column >= a.d_value) break;
        state.values[e] = fmaf(of_key, Traits::ToFloat(value[column]), state.values[e]);
      }
    }
  }

  static __device__ void Run(const PrefillAttention& a, int row) {
    const int head = blockIdx.y;
    const int lane = threadIdx.x % kLanes;
    const RowRun run = a.rows.runs[a.rows.rows[row].run];
    const int position = run.first_position + row - run.first_row;
    const HeadRows rows = a.heads[head];
    const KeySource<Type> source(a, run, head, rows.by_period.Remainder(position));
    const Type* const query = QueryOf<Type>(a, head, row);
    QueryState state;
    for (const QueryOrder order : {QueryOrder::kColumns, QueryOrder::kConsecutive}) {
      if (!TakesQueries(rows, order)) continue;
      for (int s = 0; s < kMaxSpans; ++s) {
        const KeySpan span = SpanOf(rows, order, s, position);
        for (int key = span.begin; key < span.end; key += kLanes) {
          Attend(a, query, source, span, key, state);
        }
      }
    }
    const float inverse = state.weights > 0 ? 1.0f / state.weights : 0.0f;
    auto* const to = reinterpret_cast<Type*>(a.mixed) + row * a.mixed_stride + head * a.d_value;
#pragma unroll
    for (int e = 0; e < kElements; ++e) {
      const int column = blockIdx.z * kSlice + e * kLanes + lane;
      if (column < a.d_value) to[column] = Traits::From(state.values[e] * inverse);
    }
  }
};

template <Operand kOperand>
__global__ void __launch_bounds__(kWarps* kLanes)
    PrefillAttentionPlain(const __grid_constant__ PrefillAttention a) {
  WaitForGridBefore();
  LetNextGridStart();
  const int row = blockIdx.x * kWarps + threadIdx.x / kLanes;
  if (row < a.rows.row_count) PlainAttention<kOperand>::Run(a, row);
}

}  // namespace

absl::Status LaunchPrefillAttentionPlain(const PrefillAttention& attention, Operand operand,
                                         bool dependent, cudaStream_t stream) {
  const auto blocks = [](int count, int size) {
    return static_cast<unsigned>(HeadRows::CeilDivide(count, size));
  };
  LaunchShape shape;
  shape.grid = dim3(blocks(attention.rows.row_count, kWarps),
                    static_cast<unsigned>(attention.n_head), blocks(attention.d_value, kSlice));
  shape.block = dim3(kWarps * kLanes);
  shape.dependent = dependent;
  const auto kernel = operand == Operand::kFloat32   ? PrefillAttentionPlain<Operand::kFloat32>
                      : operand == Operand::kFloat16 ? PrefillAttentionPlain<Operand::kFloat16>
                                                     : PrefillAttentionPlain<Operand::kBfloat16>;
  return Launch("prefill attention, plain", kernel, shape, stream, attention);
}

}  // namespace strided::cuda
