// Prefill attention's arithmetic by warpgroups (warpgroup.cuh): 64 queries each.
//
// As AttentionSums, whose fragments and soft maximum it has. Both products read the tile of keys
// where it was copied to: scores the keys, column by column; sums of values the values, input by
// input.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_WARPGROUP_SUMS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_WARPGROUP_SUMS_CUH_

#include "engine/cuda/kernels/attention_sums.cuh"
#include "engine/cuda/kernels/warpgroup.cuh"

namespace strided::cuda {

template <class Sizes>
struct WarpgroupAttentionSums : AttentionSums<Sizes> {
  using Base = AttentionSums<Sizes>;
  using typename Base::Queries;
  using typename Base::Scores;
  static constexpr Operand kOperand = Sizes::kOperand;
  static constexpr int kKeys = Sizes::kKeys;
  static constexpr int kGroupQueries = kWarpgroupWarps * kWarpQueries;

  struct State : Base::State {
    KeyLimits group[kMaxSpans];  // that hold those of the warpgroup's queries
  };

  static __device__ __forceinline__ void SetLimits(const AttentionTask& task, const HeadRows& rows,
                                                   State& state) {
    Base::SetLimits(task, rows, state);
    const int first = threadIdx.x / 32 / kWarpgroupWarps * kGroupQueries;
    const int last = min(first + kGroupQueries, task.tile.count) - 1;
#pragma unroll
    for (int s = 0; s < kMaxSpans; ++s) {
      // Later queries never read earlier ends.
      if (first <= last && task.tiles[s] > 0) {
        state.group[s] = {task.LimitsOf(rows, s, first).begin, task.LimitsOf(rows, s, last).end};
      }
    }
  }

  static __device__ __forceinline__ void Score(const Queries& queries, uint32_t stage,
                                               Scores& scores) {
    const uint64_t keys = ColumnsAt(stage);
    BeginProducts();
#pragma unroll
    for (int k = 0; k < Sizes::kKeySteps; ++k) {
      WarpgroupProduct<kOperand, kKeys>::template Begin<false>(
          scores, queries.held[k], BytesOn(keys, k * 32), /*add=*/k > 0);
    }
    CommitProducts();
    WaitForProducts<0>();
  }

  static __device__ __forceinline__ void AddValues(const Scores& weights, uint32_t values,
                                                   typename Base::State& state) {
    uint32_t a[kKeys / 16][4];
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) Base::PackWeights(weights, k, a[k]);
    const uint64_t inputs = InputsAt(values, kKeys * Sizes::kRowBytes);
    BeginProducts();
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
      WarpgroupProduct<kOperand, Sizes::kValueTiles * 8>::template Begin<true>(
          state.values, a[k], BytesOn(inputs, k * 16 * Sizes::kRowBytes), /*add=*/true);
    }
    CommitProducts();
    WaitForProducts<0>();
  }

  // One tile of keys, unless none of the warpgroup's queries reads of it.
  static __device__ __forceinline__ void Attend(const PrefillAttention& a, const Queries& queries,
                                                uint32_t stage, bool second, int first,
                                                State& state) {
    if (Select(second, state.group[0], state.group[1]).Misses(first, kKeys)) return;
    AttendTo(a, queries, stage, second, first, state);
  }
  static __device__ __forceinline__ void AttendTo(const PrefillAttention& a, const Queries& queries,
                                                  uint32_t stage, bool second, int first,
                                                  typename Base::State& state) {
    Scores scores;
    Score(queries, stage, scores);
    Base::MaskWhereNeeded(second, first, state, scores);
    Base::Soften(a.scale * kLog2OfE, state, scores);
    AddValues(scores, stage + Sizes::ValueOffset(0, 0, a.d_key), state);
  }
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_WARPGROUP_SUMS_CUH_
