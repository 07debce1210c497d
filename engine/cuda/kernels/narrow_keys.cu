#include "engine/cuda/kernels/attention_source.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/narrow_cache.cuh"
#include "engine/cuda/kernels/narrow_keys.h"
#include "engine/cuda/kernels/narrow_row.cuh"
#include "engine/cuda/kernels/store_keys.h"

namespace strided::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kLanes = 8;  // of a row
constexpr int kRows = kThreads / kLanes;

// Lane 0 of a row writes its scales.
__device__ __forceinline__ bool WritesScales() { return threadIdx.x % kLanes == 0; }

// Where a row of prefill lies, and its scales.
template <typename Type>
struct PrefillKeys {
  Type* key;  // its value follows
  float2* scales;

  __device__ __forceinline__ PrefillKeys(const PrefillAttention& a, int row, int head)
      : key(const_cast<Type*>(QueryOf<Type>(a, head, row)) + a.d_key),
        scales(a.scales + static_cast<int64_t>(row) * a.n_head + head) {}
};

template <Operand kOperand>
__global__ void __launch_bounds__(kThreads)
    RoundKeysKernel(const __grid_constant__ PrefillAttention a) {
  using Type = typename OperandTraits<kOperand>::Type;
  WaitForGridBefore();
  LetNextGridStart();
  const int row = blockIdx.x * kRows + threadIdx.x / kLanes;
  const bool busy = row < a.rows.row_count;
  const PrefillKeys<Type> at(a, busy ? row : 0, blockIdx.y);
  Type* const to_value = at.key + a.d_key;
  const NarrowRow<kOperand, kLanes> key(reinterpret_cast<const std::byte*>(at.key),
                                        busy ? a.d_key : 0);
  const NarrowRow<kOperand, kLanes> value(reinterpret_cast<const std::byte*>(to_value),
                                          busy ? a.d_value : 0);
  const float2 scales = make_float2(key.Scale(), value.Scale());
  key.ForEach(scales.x, [&](int i, uint2 elements) {
    reinterpret_cast<uint4*>(at.key)[i] = WidenedVector<kOperand>(elements, scales.x);
  });
  value.ForEach(scales.y, [&](int i, uint2 elements) {
    reinterpret_cast<uint4*>(to_value)[i] = WidenedVector<kOperand>(elements, scales.y);
  });
  if (busy && WritesScales()) *at.scales = scales;
}

// A rounded row's elements, exactly: rounding moves x / scale by a quarter at the most.
template <Operand kOperand, typename Type>
__device__ __forceinline__ void StoreRow(const Type* from, int width, float scale, uint2* to) {
  const float inverse = InverseScale(scale);
  for (int i = threadIdx.x % kLanes; i < width / kNarrowVector; i += kLanes) {
    to[i] = NarrowedVector<kOperand>(__ldcg(reinterpret_cast<const uint4*>(from) + i), inverse);
  }
}

template <Operand kOperand>
__global__ void __launch_bounds__(kThreads)
    StoreNarrowKeysKernel(const __grid_constant__ PrefillAttention a) {
  using Type = typename OperandTraits<kOperand>::Type;
  WaitForGridBefore();
  LetNextGridStart();
  const int row = blockIdx.x * kRows + threadIdx.x / kLanes;
  if (row >= a.rows.row_count) return;
  const int head = blockIdx.y;
  const RowRun run = a.rows.runs[a.rows.rows[row].run];
  const DeviceSequence& sequence = a.sequences[run.slot];
  const HeadRows layout = a.heads[head];
  const NarrowCache cache(sequence.cache + sequence.head_offsets[a.first_head + head],
                          layout.Rows(sequence.max_length), a.d_key, a.d_value);
  const int position = run.first_position + row - run.first_row;
  const int homes[2] = {
      HomeAfter(layout, position, run.first_position + run.rows, sequence.max_length),
      layout.SecondHome(position, sequence.max_length)};
  const PrefillKeys<Type> at(a, row, head);
  const float2 scales = __ldcg(at.scales);
  for (const int home : homes) {
    if (home < 0) continue;
    StoreRow<kOperand>(at.key, a.d_key, scales.x, cache.KeyAt(home));
    StoreRow<kOperand>(at.key + a.d_key, a.d_value, scales.y, cache.ValueAt(home));
    if (WritesScales()) *cache.ScalesAt(home) = scales;
  }
}

LaunchShape PrefillShape(const PrefillAttention& attention, bool dependent) {
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(HeadRows::CeilDivide(attention.rows.row_count, kRows)),
                    static_cast<unsigned>(attention.n_head));
  shape.block = dim3(kThreads);
  shape.dependent = dependent;
  return shape;
}

}  // namespace

absl::Status LaunchRoundKeys(const PrefillAttention& attention, Operand operand, bool dependent,
                             cudaStream_t stream) {
  const auto kernel = operand == Operand::kFloat16 ? RoundKeysKernel<Operand::kFloat16>
                                                   : RoundKeysKernel<Operand::kBfloat16>;
  return Launch("rounding keys and values", kernel, PrefillShape(attention, dependent), stream,
                attention);
}

absl::Status LaunchStoreNarrowKeys(const PrefillAttention& attention, Operand operand,
                                   bool dependent, cudaStream_t stream) {
  const auto kernel = operand == Operand::kFloat16 ? StoreNarrowKeysKernel<Operand::kFloat16>
                                                   : StoreNarrowKeysKernel<Operand::kBfloat16>;
  return Launch("keys and values to the caches", kernel, PrefillShape(attention, dependent), stream,
                attention);
}

}  // namespace strided::cuda
