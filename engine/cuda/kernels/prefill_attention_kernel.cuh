// The tensor-core kernel of prefill_attention.h (Dao 2023, "FlashAttention-2", over intervals).
//
//   query tile  [16 per warp][d_key]          key tile  [kKeys][d_key], [kKeys][d_value]
// One block per head and tile of queries. A warp keeps 16 queries: scores q . k, the soft maximum
// and the sums of values stay in its registers, float32. Tiles of keys pass through stages
// of shared memory, rows 16 bytes apart from a multiple of 128, so that ldmatrix meets no bank
// twice. By warpgroups: 64 queries each, attention_warpgroup_sums.cuh.
// Order of a query's sums: its spans in order, tiles ascending, within a tile the order of
// mma.m16n8k16. Bound by the tensor cores and the exponentials.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_KERNEL_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_KERNEL_CUH_

#include <type_traits>

#include "engine/cuda/kernels/attention_copies.cuh"
#include "engine/cuda/kernels/attention_results.cuh"
#include "engine/cuda/kernels/attention_sums.cuh"
#include "engine/cuda/kernels/attention_task.cuh"
#include "engine/cuda/kernels/attention_warpgroup_sums.cuh"
#include "engine/cuda/kernels/launch.h"

namespace strided::cuda {

template <class SizesOf>
struct AttentionKernel {
  using Sizes = SizesOf;
  using Copies = AttentionCopies<Sizes>;
  using Sums =
      std::conditional_t<Sizes::kByWarpgroups, WarpgroupAttentionSums<Sizes>, AttentionSums<Sizes>>;
  using Results = AttentionResults<Sizes>;
  using State = typename Sums::State;
  using Type = typename Sizes::Type;
  static constexpr int kKeys = Sizes::kKeys;
  static constexpr int kThreads = kMaxTileQueries / kWarpQueries * 32;
  static constexpr int kLeastQueries = (Sizes::kByWarpgroups ? kWarpgroupWarps : 1) * kWarpQueries;
  static constexpr int kBlocksPerMultiprocessor = Sizes::kValueTiles <= 8 ? 2 : 1;
  // For which registers are allotted: 96 each, so that five blocks of 128 threads stand together.
  static constexpr int kBoundThreads = Sizes::kJoined ? 320 : kThreads;

  static constexpr int kStages = Sizes::kByWarpgroups ? 3 : 2;
  static constexpr int kAhead = kStages - 1;  // tiles that are copied before their turn

  // Bytes before the stages: what the threads know, and the queries.
  static __host__ __device__ __forceinline__ int QueryEnd(int d_key, int queries) {
    const int end = kAttentionBlockBytes + queries * Sizes::KeyPitch(d_key);
    return (end + Sizes::kAlignment - 1) / Sizes::kAlignment * Sizes::kAlignment;
  }
  static int SharedBytes(int d_key, int queries) {
    return QueryEnd(d_key, queries) + kStages * Sizes::StageBytes(d_key);
  }

  // Whether the block has queries. By all threads; thread 0 does the arithmetic.
  static __device__ __forceinline__ bool FindWork(const PrefillAttention& a, QueryOrder order,
                                                  AttentionBlock<Type>& block) {
    if (threadIdx.x == 0) {
      const HeadRows rows = a.heads[blockIdx.y];
      block.task = TaskOfBlock<kKeys>(a, rows, order);
      if (block.task.tile.count > 0) {
        const int residue = rows.by_period.Remainder(block.task.PositionOf(0));
        block.source = KeySource<Type>(a, block.task.run, block.task.head, residue);
        for (int s = 0; s < kMaxSpans; ++s) {
          block.in_call[s] = block.source.InCall(block.task.axes[s]);
          if constexpr (Sizes::kByWarpgroups) Copies::FindDistances(s, block);
        }
      }
    }
    __syncthreads();
    return block.task.tile.count > 0;
  }

  static __device__ __forceinline__ void Run(const PrefillAttention& a, QueryOrder order,
                                             std::byte* shared) {
    // Patterns and runs were there before the grid before.
    AttentionBlock<Type>& block = *reinterpret_cast<AttentionBlock<Type>*>(shared);
    const bool works = TakesQueries(a.heads[blockIdx.y], order) && FindWork(a, order, block);
    State state;
    if (works) Sums::SetLimits(block.task, block.source.rows(), state);
    WaitForGridBefore();
    LetNextGridStart();
    if (works) AttendAll(a, order, shared, block, state);
  }

  static __device__ __forceinline__ void AttendAll(const PrefillAttention& a, QueryOrder order,
                                                   std::byte* shared,
                                                   const AttentionBlock<Type>& block,
                                                   State& state) {
    const AttentionTask& task = block.task;
    const bool merges = block.source.rows().kind == PatternKind::kLocalStrided;
    if (merges && order == QueryOrder::kConsecutive) Results::ReadPartial(a, task, state);

    const uint32_t to_queries = SharedAddress(shared) + kAttentionBlockBytes;
    const uint32_t stages = SharedAddress(shared) + QueryEnd(a.d_key, blockDim.x / 2);
    const int tiles = task.tiles[0] + task.tiles[1];
    typename Copies::Walk walk;
    const auto copy = [&](int i) {
      const uint32_t stage = stages + i % kStages * Sizes::StageBytes(a.d_key);
      if (i < tiles) Copies::CopyKeys(a, block, i, walk, stage);
      CommitCopies();
    };
    Copies::CopyQueries(a, task, to_queries);
    for (int i = 0; i < kAhead; ++i) copy(i);
    typename Sums::Queries queries;
    for (int i = 0; i < tiles; ++i) {
      WaitForCopies<kAhead - 1>();
      if constexpr (Sizes::kByWarpgroups) ShowToProducts();
      __syncthreads();  // tile i has arrived for all, and all are done with tile i - 1
      copy(i + kAhead);
      if (i == 0) queries = Sums::QueriesOf(to_queries, a.d_key);
      Sums::Attend(a, queries, stages + i % kStages * Sizes::StageBytes(a.d_key),
                   i >= task.tiles[0], task.FirstKeyOf<kKeys>(i), state);
    }
    WaitForCopies<0>();  // the queries' own, where there are no keys
    Results::Finish(a, task, merges && order == QueryOrder::kColumns, state);
  }
};

// Whether code for this device is compiled: that of warpgroups is 9.0's own.
template <AttentionWay kWay>
__device__ constexpr bool HasAttentionWay() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  return true;
#else
  return kWay == AttentionWay::kWarps;
#endif
}

template <typename Kernel>
__global__ void __launch_bounds__(Kernel::kBoundThreads, Kernel::kBlocksPerMultiprocessor)
    PrefillAttentionKernel(const __grid_constant__ PrefillAttention a, QueryOrder order) {
  extern __shared__ __align__(1024) std::byte shared[];
  if constexpr (HasAttentionWay<Kernel::Sizes::kWay>()) Kernel::Run(a, order, shared);
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_KERNEL_CUH_
