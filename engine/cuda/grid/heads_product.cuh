// Products of a block of heads: of the normed residual stream, by teams of warps, and of one group
// of inputs, by a warp.

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_PRODUCT_CUH_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_PRODUCT_CUH_

#include <cstdint>

#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/heads_memory.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/row_norm.cuh"

namespace strided::cuda::grid {

template <class S, class Memory>
class HeadsProduct {
 public:
  using Weights = product::GroupWeights<Memory::kFormat>;

  __device__ __forceinline__ HeadsProduct(const GridArguments& a, Memory& memory, int thread)
      : a_(a), memory_(memory), team_(thread) {}

  // Of all warps but the one that fetches.
  __device__ __forceinline__ void Sync() const {
    constexpr int kBarrier = kFirstTeamBarrier + S::kModelTeams;
    SyncThreads(kBarrier, kThreads);
  }

  // The moments of the row in shared memory, by one warp.
  __device__ __forceinline__ void FindMoments() const {
    float4 x[kVectors];
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      x[v] = reinterpret_cast<const float4*>(memory_.exchange.row)[v * 32 + team_.lane];
    }
    const float mean = MeanOf(x, S::kModel, a_.norm_mean_share);
    const float factor = FactorOf(x, mean, S::kModel, a_.norm_epsilon);
    if (team_.lane == 0) memory_.moments = make_float2(mean, factor);
  }

  // The team's tile, of the row in shared memory: leaves the warps' sums, behind a barrier of the
  // team.
  __device__ __forceinline__ void NormAndMultiply(const float (&norm)[2][S::kModel],
                                                  const typename Memory::Tile& tile) const {
    const auto own_of = [&](const float* of) {  // of the warp's group
      return reinterpret_cast<const float2*>(of + team_.member * kGroup)[team_.lane];
    };
    const float2 x = own_of(memory_.exchange.row);
    const float2 weight = own_of(norm[0]);
    const float2 bias = own_of(norm[1]);
    const Weights weights = Read(tile[team_.member]);
    const float2 moments = memory_.moments;
    const auto normed = [&](float element, float by, float with) {
      return fmaf((element - moments.x) * moments.y, by, with);  // as Normalised
    };
    float sums[1][4] = {};
    Multiply(weights, Traits::Pack(normed(x.x, weight.x, bias.x), normed(x.y, weight.y, bias.y)),
             sums);
    if (team_.lane % 4 == 0) {
      memory_.sums[team_.warp][team_.lane / 4] = sums[0][0];
      memory_.sums[team_.warp][team_.lane / 4 + 8] = sums[0][2];
    }
    team_.Sync();
  }

  // The sum over the team's warps of an output, team_.within.
  __device__ __forceinline__ float SumOfTeam() const {
    float sum = 0;
#pragma unroll
    for (int w = 0; w < S::kModelGroups; ++w) {
      sum += memory_.sums[team_.index * S::kModelGroups + w][team_.within];
    }
    return sum;
  }

  // sums += the group's outputs for the inputs of which lane l has the elements 2 * l and the next.
  __device__ __forceinline__ void Multiply(const Weights& weights, uint32_t pair,
                                           float (&sums)[1][4]) const {
    product::GroupColumns<1> columns;  // every one is the row
#pragma unroll
    for (int step = 0; step < product::kGroupSteps; ++step) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        columns.b[step][0][i] = __shfl_sync(0xFFFFFFFFu, pair, step * 8 + i * 4 + team_.lane % 4);
      }
    }
    product::MultiplyGroup<Memory::kFormat, Memory::kOperand>(weights, columns, sums);
  }
  __device__ __forceinline__ Weights Read(const typename Memory::Group& group) const {
    Weights weights;
#pragma unroll
    for (int i = 0; i < Weights::kUnits; ++i) weights.units[i] = group[i][team_.lane];
    return weights;
  }

 protected:
  using Traits = OperandTraits<Memory::kOperand>;
  static constexpr int kVectors = S::kModel / 128;

  const GridArguments& a_;
  Memory& memory_;
  const Team<S::kModelGroups> team_;
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_PRODUCT_CUH_
