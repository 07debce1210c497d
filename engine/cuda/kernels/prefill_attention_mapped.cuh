// The kernel of prefill_attention_mapped.h.
//
//   stage [64 keys][128 bytes], then their values, as warpgroup.cuh reads both (attention_task.cuh)
// One block, a warpgroup, per head and tile of 64 queries. All its threads find out what there is
// to do, each for itself: fewer steps one after the other than by one thread for all. Tiles pass
// through kStages of shared memory; where a query reads no more than that many, no thread waits for
// another. Sums as in attention_warpgroup_sums.cuh. Bound by the exponentials.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_MAPPED_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_MAPPED_CUH_

#include "engine/cuda/kernels/attention_copies.cuh"
#include "engine/cuda/kernels/attention_results.cuh"
#include "engine/cuda/kernels/attention_warpgroup_sums.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/tile_copies.cuh"

namespace strided::cuda {

// kOrder: kColumns of strided heads, kConsecutive of local ones.
template <class SizesOf, QueryOrder kOrder>
struct MappedAttention {
  using Sizes = SizesOf;
  using Type = typename Sizes::Type;
  using Copies = AttentionCopies<Sizes>;
  using Sums = WarpgroupAttentionSums<Sizes>;
  using State = typename Sums::Base::State;
  using Queries = typename Sums::Queries;
  using Source = KeySource<Type>;
  static constexpr bool kInColumns = kOrder == QueryOrder::kColumns;
  static constexpr KeyAxis kAxis = kInColumns ? KeyAxis::kColumn : KeyAxis::kPositions;
  static constexpr int kKeys = Sizes::kKeys;
  static constexpr int kKeyWidth = Sizes::kKeySteps * 16;
  static constexpr int kValueWidth = Sizes::kValueTiles * 8;
  static constexpr int kHeadWidth = 2 * kKeyWidth + kValueWidth;
  static constexpr int kPartWidth = Sizes::kRowBytes / 2;  // elements of 128 bytes
  static_assert(Sizes::kJoined || kKeyWidth == kPartWidth, "a key and its value are whole parts");
  static constexpr int kQueries = Sums::kGroupQueries;
  static constexpr int kThreads = kWarpgroupWarps * 32;
  static constexpr int kBlocksPerMultiprocessor = Sizes::kJoined ? 5 : 2;
  static constexpr int kStages = Sizes::kJoined ? 5 : 4;
  static constexpr int kPartBytes = kKeys * Sizes::kRowBytes;
  static constexpr int kStageBytes = kPartBytes * (1 + Sizes::kValueBlocks);
  static constexpr int kSharedBytes = kStages * (kStageBytes + 8);

  // What a block does.
  struct Work {
    AttentionTask task;  // of which head, run, tile and order are known
    int residue = 0;     // of the queries' positions, where they are taken by column
    KeyLimits all;       // that hold every query's
    int first_key;       // of the first tile
    int tiles = 0;
    KeyLimits mapped;  // tiles that are copied by the hardware
    int first_step;    // where it finds key first_key: its row of the call, by the keys' distance
    int within;        // and the rest

    __device__ __forceinline__ explicit Work(const PrefillAttention& a, const HeadRows& rows) {
      task.head = static_cast<int>(blockIdx.y);
      task.tile = TileAt(rows, kOrder, a.rows.runs, a.rows.run_count, blockIdx.x, kQueries);
      if (task.tile.count == 0) return;
      task.run = a.rows.runs[task.tile.run];
      const int first = task.PositionOf(0);
      if (kInColumns) residue = rows.by_period.Remainder(first);
      const int last = task.PositionOf(task.tile.count - 1);
      all = {LimitsAt(rows, first).begin, LimitsAt(rows, last).end};
      first_key = all.begin / kKeys * kKeys;
      tiles = (all.end - first_key + kKeys - 1) / kKeys;
      FindMapped(a, rows);
    }

    // Whole tiles of the run's rows. Beyond the call's last row, where that ends a step, zeros
    // come.
    __device__ __forceinline__ void FindMapped(const PrefillAttention& a, const HeadRows& rows) {
      const int step = kInColumns ? rows.period : 1;
      const int end = task.run.first_row + task.run.rows;
      const int whole = kInColumns ? rows.by_period.Divide(a.rows.row_count) * step : end;
      const int ahead = task.run.first_position - task.run.first_row;
      const int keys_before = KeysBefore(rows, task.run.first_position);
      const int keys_there = KeysBefore(rows, ahead + min(end, whole));
      const bool ends_call = end == a.rows.row_count && end == whole;
      mapped.begin = max(keys_before - first_key + kKeys - 1, 0) / kKeys;
      mapped.end = ends_call ? tiles : max(keys_there - first_key, 0) / kKeys;
      // Of the first mapped tile, since rows before the call's are negative.
      const int key = first_key + mapped.begin * kKeys;
      const int row = (kInColumns ? residue + key * step : key) - ahead;
      const int by_step = kInColumns ? rows.by_period.Divide(max(row, 0)) : row;
      within = row - by_step * step;
      first_step = by_step - mapped.begin * kKeys;
    }
    // Keys of the queries' axis that lie before a position.
    __device__ __forceinline__ int KeysBefore(const HeadRows& rows, int position) const {
      if (!kInColumns) return position;
      return rows.by_period.Divide(max(position - residue + rows.period - 1, 0));
    }
    // SpanOf's.
    static __device__ __forceinline__ KeyLimits LimitsAt(const HeadRows& rows, int position) {
      if (kInColumns) return {0, rows.by_period.Divide(position) + 1};
      return {max(position - rows.period + 1, 0), position + 1};
    }
    __device__ __forceinline__ KeyLimits LimitsOf(const HeadRows& rows, int query) const {
      if (query >= task.tile.count) return {};
      return LimitsAt(rows, task.PositionOf(query));
    }
  };

  struct Shared {
    uint32_t stages;
    __device__ explicit Shared(std::byte* memory) : stages(SharedAddress(memory)) {}
    __device__ uint32_t Stage(int slot) const { return stages + slot * kStageBytes; }
    __device__ uint32_t Arrived(int slot) const {
      return stages + kStages * kStageBytes + slot * 8;
    }
  };

  // By one thread, ahead of the tile's turn.
  static __device__ __forceinline__ void CopyMapped(const CUtensorMap& map, const Work& work,
                                                    const Shared& shared, int tile) {
    if (threadIdx.x != 0 || tile >= work.tiles || !work.mapped.Holds(tile)) return;
    const uint32_t barrier = shared.Arrived(tile % kStages);
    Expect(barrier, kStageBytes);
#pragma unroll
    for (int part = 0; part <= Sizes::kValueBlocks; ++part) {
      CopyTile(shared.Stage(tile % kStages) + part * kPartBytes, map,
               work.task.head * kHeadWidth + kKeyWidth + part * kPartWidth, work.within,
               work.first_step + tile * kKeys, barrier);
    }
  }

  // By all threads, when it is the tile's turn. Apart, and without references to what the loop has
  // in registers: few tiles are copied so.
  static __device__ __noinline__ void CopyOther(const PrefillAttention& a, int run, int residue,
                                                KeyLimits all, int first, uint32_t to) {
    const Source source(a, a.rows.runs[run], static_cast<int>(blockIdx.y), residue);
    if (a.scales != nullptr) {
      Copies::CopyTile(a, all, first, to, [&](int key) { return source.EitherAt(kAxis, key); });
    } else {
      Copies::CopyTile(a, all, first, to, [&](int key) { return source.At(kAxis, key); });
    }
    CommitCopies();
    WaitForCopies<0>();
    ShowToProducts();
    __syncthreads();
  }

  // Fragments of the warp's queries, of which those beyond the last are copies of it.
  static __device__ __forceinline__ Queries QueriesOf(const PrefillAttention& a, const Work& work) {
    Queries queries;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = min(Sums::OwnQuery(half), work.task.tile.count - 1);
      const Type* const row = QueryOf<Type>(a, work.task.head, work.task.RowOf(query));
      const auto* const pairs = reinterpret_cast<const uint32_t*>(row) + threadIdx.x % 4;
#pragma unroll
      for (int k = 0; k < Sizes::kKeySteps; ++k) {
        queries.held[k][half] = __ldcg(pairs + k * 8);
        queries.held[k][half + 2] = __ldcg(pairs + k * 8 + 4);
      }
    }
    return queries;
  }

  static __device__ __forceinline__ void AttendAll(const PrefillAttention& a,
                                                   const CUtensorMap& map, const Work& work,
                                                   const Shared& shared, State& state) {
#pragma unroll 1
    for (int tile = 0; tile < kStages; ++tile) CopyMapped(map, work, shared, tile);
    const Queries queries = QueriesOf(a, work);
    uint32_t phases = 0;  // a bit for each slot
#pragma unroll 1
    for (int tile = 0; tile < work.tiles; ++tile) {
      const int free = tile - 1 + kStages;  // may come where the tile before was
      if (tile > 0 && free < work.tiles) {
        __syncthreads();
        CopyMapped(map, work, shared, free);
      }
      const int slot = tile % kStages;
      const int first = work.first_key + tile * kKeys;
      if (work.mapped.Holds(tile)) {
        WaitForPhase(shared.Arrived(slot), phases >> slot & 1);
        phases ^= 1u << slot;
      } else {
        CopyOther(a, work.task.tile.run, work.residue, work.all, first, shared.Stage(slot));
      }
      Sums::AttendTo(a, queries, shared.Stage(slot), /*second=*/false, first, state);
    }
    AttentionResults<Sizes>::Finish(a, work.task, /*to_partial=*/false, state);
  }

  static __device__ __forceinline__ void Run(const PrefillAttention& a, const HeadRows& rows,
                                             const CUtensorMap& map, std::byte* memory) {
    const Shared shared(memory);
    if (threadIdx.x == 0) {
      for (int slot = 0; slot < kStages; ++slot) InitBarrier(shared.Arrived(slot), 1);
      ShowToProducts();
    }
    const Work work(a, rows);  // runs were there before the grid before
    State state;
    if (work.tiles > 0) {
      state.limits[0][0] = work.LimitsOf(rows, Sums::OwnQuery(0));
      state.limits[0][1] = work.LimitsOf(rows, Sums::OwnQuery(1));
    }
    __syncthreads();
    WaitForGridBefore();
    LetNextGridStart();
    if (work.tiles > 0) AttendAll(a, map, work, shared, state);
  }
};

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, Kernel::kBlocksPerMultiprocessor)
    MappedAttentionKernel(const __grid_constant__ PrefillAttention a,
                          const __grid_constant__ HeadRows rows,
                          const __grid_constant__ CUtensorMap map) {
  extern __shared__ __align__(1024) std::byte shared[];
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  Kernel::Run(a, rows, map, shared);
#endif
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_MAPPED_CUH_
