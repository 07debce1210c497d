#include <algorithm>
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

// Copies a key and its value, by kLanes lanes: 16 bytes at a time where all rows are aligned to
// that.
template <typename Type>
__device__ __forceinline__ void CopyKey(const PrefillAttention& a, const Type* from, Type* key,
                                        Type* value) {
  constexpr int kElements = 16 / sizeof(Type);
  const int lane = threadIdx.x % kLanes;
  const int width = a.d_key + a.d_value;
  if (a.d_key % kElements == 0 && a.d_value % kElements == 0) {
    for (int i = lane * kElements; i < width; i += kLanes * kElements) {
      Type* const to = i < a.d_key ? key + i : value + (i - a.d_key);
      *reinterpret_cast<uint4*>(to) = __ldcg(reinterpret_cast<const uint4*>(from + i));
    }
    return;
  }
  for (int i = lane; i < width; i += kLanes)
    *(i < a.d_key ? key + i : value + (i - a.d_key)) = from[i];
}

// Blocks of kRows rows, for each share of the heads.
__host__ __device__ int RowBlocks(const PrefillAttention& a) {
  return HeadRows::CeilDivide(a.rows.row_count, kRows);
}

// Into how many shares the heads are cut: few rows need them to fill the device; of many, most may
// go nowhere, and a block's start costs more than to find that out for all heads.
int HeadShares(const PrefillAttention& a) {
  constexpr int kEnoughBlocks = 1024;
  return std::clamp(kEnoughBlocks / RowBlocks(a), 1, a.n_head);
}

// Where a row's key goes in a head's cache, and the head's rows.
struct Homes {
  int home = -1;
  int second = -1;
  int rows = 0;

  Homes() = default;
  __device__ __forceinline__ Homes(const HeadRows& head, int position, const RowRun& run,
                                   int max_length)
      : home(HomeAfter(head, position, run.first_position + run.rows, max_length)),
        second(head.SecondHome(position, max_length)),
        rows(head.Rows(max_length)) {}
};

// Block `block` of `shares` * RowBlocks(a).
template <typename Type>
__device__ __forceinline__ void StoreKeysOfBlock(const PrefillAttention& a, int shares, int block) {
  const int share = block % shares;
  const int row = block / shares * kRows + static_cast<int>(threadIdx.x) / kLanes;
  if (row >= a.rows.row_count) return WaitForGridBefore();
  const RowRun run = a.rows.runs[a.rows.rows[row].run];
  const DeviceSequence& sequence = a.sequences[run.slot];
  const int position = run.first_position + row - run.first_row;
  const int length = sequence.max_length;
  std::byte* const cache = sequence.cache;
  const int64_t* const offsets = sequence.head_offsets + a.first_head;
  WaitForGridBefore();
  LetNextGridStart();
  // A lane finds out for one head where the row goes; then all copy.
  const int lane = threadIdx.x % kLanes;
  const uint32_t lanes = ((1u << kLanes) - 1) << (threadIdx.x % 32 / kLanes * kLanes);
  for (int first = share; first < a.n_head; first += kLanes * shares) {
    Homes own;
    const int own_head = first + lane * shares;
    if (own_head < a.n_head) own = Homes(a.heads[own_head], position, run, length);
    for (int l = 0; l < kLanes && first + l * shares < a.n_head; ++l) {
      const int head = first + l * shares;
      const int home = __shfl_sync(lanes, own.home, l, kLanes);
      const int second = __shfl_sync(lanes, own.second, l, kLanes);
      const int head_rows = __shfl_sync(lanes, own.rows, l, kLanes);
      if (home < 0 && second < 0) continue;
      auto* const keys = reinterpret_cast<Type*>(cache + offsets[head]);
      Type* const values = keys + static_cast<int64_t>(head_rows) * a.d_key;
      const Type* const from = QueryOf<Type>(a, head, row) + a.d_key;
      for (const int64_t to : {home, second}) {
        if (to >= 0) CopyKey(a, from, keys + to * a.d_key, values + to * a.d_value);
      }
    }
  }
}

// The norm's blocks first.
template <Operand kOperand>
__global__ void __launch_bounds__(kThreads)
    StoreKeysKernel(const __grid_constant__ PrefillAttention a, const __grid_constant__ NormRows n,
                    int norm_blocks, int shares) {
  // 16-bit operands are copied as they are.
  using Type = std::conditional_t<kOperand == Operand::kFloat32, float, uint16_t>;
  const int block = static_cast<int>(blockIdx.x);
  if (block >= norm_blocks) return StoreKeysOfBlock<Type>(a, shares, block - norm_blocks);
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
  const int shares = HeadShares(attention);
  shape.grid = dim3(static_cast<unsigned>(norm_blocks + RowBlocks(attention) * shares));
  shape.block = dim3(kThreads);
  shape.dependent = dependent;
  return Launch("keys and values to the caches", StoreKeysKernel<kOperand>, shape, stream,
                attention, norm, norm_blocks, shares);
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
