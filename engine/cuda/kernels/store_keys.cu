#include <type_traits>

#include "engine/cuda/kernels/attention_source.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/norm_rows.cuh"
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

// Blocks of kRows rows, for each head.
__host__ __device__ int StoreBlocks(const PrefillAttention& a) {
  return HeadRows::CeilDivide(a.rows.row_count, kRows);
}

// Block `block` of n_head * StoreBlocks(a).
template <typename Type>
__device__ __forceinline__ void StoreKeysOfBlock(const PrefillAttention& a, int block) {
  const int head = block / StoreBlocks(a);
  const int row = block % StoreBlocks(a) * kRows + static_cast<int>(threadIdx.x) / kLanes;
  if (row >= a.rows.row_count) return WaitForGridBefore();
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

// The norm's blocks first.
template <Operand kOperand>
__global__ void __launch_bounds__(kThreads)
    StoreKeysKernel(const __grid_constant__ PrefillAttention a, const __grid_constant__ NormRows n,
                    int norm_blocks) {
  // 16-bit operands are copied as they are.
  using Type = std::conditional_t<kOperand == Operand::kFloat32, float, uint16_t>;
  const int block = static_cast<int>(blockIdx.x);
  if (block >= norm_blocks) return StoreKeysOfBlock<Type>(a, block - norm_blocks);
  WaitForGridBefore();
  LetNextGridStart();
  RowNorms<kOperand>::Run(n, block);
}

template <Operand kOperand>
absl::Status LaunchOperand(const PrefillAttention& attention, const NormRows& norm, bool dependent,
                           cudaStream_t stream) {
  static_assert(RowNorms<kOperand>::kThreads == kThreads);
  const int norm_blocks = RowNorms<kOperand>::Blocks(norm);
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(norm_blocks + StoreBlocks(attention) * attention.n_head));
  shape.block = dim3(kThreads);
  shape.dependent = dependent;
  return Launch("keys and values to the caches", StoreKeysKernel<kOperand>, shape, stream,
                attention, norm, norm_blocks);
}

}  // namespace

absl::Status LaunchStoreKeys(const PrefillAttention& attention, const NormRows& norm,
                             Operand operand, bool dependent, cudaStream_t stream) {
  switch (operand) {
    case Operand::kFloat32:
      return LaunchOperand<Operand::kFloat32>(attention, norm, dependent, stream);
    case Operand::kFloat16:
      return LaunchOperand<Operand::kFloat16>(attention, norm, dependent, stream);
    default:
      return LaunchOperand<Operand::kBfloat16>(attention, norm, dependent, stream);
  }
}

}  // namespace strided::cuda
