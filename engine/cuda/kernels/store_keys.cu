#include "engine/cuda/kernels/attention_source.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/store_keys.h"

namespace strided::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kLanes = 8;  // of a row
constexpr int kRows = kThreads / kLanes;

// Copies `width` elements, by kLanes lanes: 16 bytes at a time where all rows are aligned to that.
template <typename Type>
__device__ __forceinline__ void CopyRow(const Type* from, int width, bool aligned, Type* to) {
  const int lane = threadIdx.x % kLanes;
  if (aligned) {
    constexpr int kElements = 16 / sizeof(Type);
    for (int i = lane; i < width / kElements; i += kLanes) {
      reinterpret_cast<uint4*>(to)[i] = __ldcg(reinterpret_cast<const uint4*>(from) + i);
    }
    return;
  }
  for (int i = lane; i < width; i += kLanes) to[i] = from[i];
}

template <typename Type>
__global__ void __launch_bounds__(kThreads)
    StoreKeysKernel(const __grid_constant__ PrefillAttention a) {
  const int row = blockIdx.x * kRows + threadIdx.x / kLanes;
  if (row >= a.rows.row_count) return WaitForGridBefore();
  const int head = blockIdx.y;
  const RowRun run = a.rows.runs[a.rows.rows[row].run];
  const DeviceSequence& sequence = a.sequences[run.slot];
  const HeadRows rows = a.heads[head];
  const int position = run.first_position + row - run.first_row;
  const int length = sequence.max_length;
  const int homes[2] = {HomeAfter(rows, position, run.first_position + run.rows, length),
                        rows.SecondHome(position, length)};
  auto* const keys =
      reinterpret_cast<Type*>(sequence.cache + sequence.head_offsets[a.first_head + head]);
  Type* const values = keys + static_cast<int64_t>(rows.Rows(length)) * a.d_key;
  const Type* const from = QueryOf<Type>(a, head, row) + a.d_key;
  constexpr int kElements = 16 / sizeof(Type);
  const bool aligned = a.d_key % kElements == 0 && a.d_value % kElements == 0;
  // Where rows go was known before the grid before; what they hold was not.
  WaitForGridBefore();
  LetNextGridStart();
  for (const int64_t home : homes) {
    if (home < 0) continue;
    CopyRow(from, a.d_key, aligned, keys + home * a.d_key);
    CopyRow(from + a.d_key, a.d_value, aligned, values + home * a.d_value);
  }
}

}  // namespace

absl::Status LaunchStoreKeys(const PrefillAttention& attention, Operand operand, bool dependent,
                             cudaStream_t stream) {
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(HeadRows::CeilDivide(attention.rows.row_count, kRows)),
                    static_cast<unsigned>(attention.n_head));
  shape.block = dim3(kThreads);
  shape.dependent = dependent;
  // 16-bit operands are copied as they are.
  const auto kernel =
      operand == Operand::kFloat32 ? StoreKeysKernel<float> : StoreKeysKernel<uint16_t>;
  return Launch("keys and values to the caches", kernel, shape, stream, attention);
}

}  // namespace strided::cuda
