// Products of several rows by a block of heads: as heads_product.cuh, but that each row is normed
// once, by a warp of its own.

#ifndef STRIDED_ENGINE_CUDA_GRID_ROWS_PRODUCT_CUH_
#define STRIDED_ENGINE_CUDA_GRID_ROWS_PRODUCT_CUH_

#include <cstdint>

#include "engine/cuda/grid/heads_product.cuh"
#include "engine/cuda/grid/rows_memory.cuh"

namespace strided::cuda::grid {

template <class S, class Memory>
class RowsProduct : public HeadsProduct<S, Memory> {
  using Base = HeadsProduct<S, Memory>;
  using Traits = OperandTraits<Memory::kOperand>;
  using Type = typename Memory::Type;
  using Base::kVectors;
  using Base::memory_;
  using Base::team_;
  static constexpr int kRows = Memory::kRows;

 public:
  using Columns = product::GroupColumns<1>;

  __device__ __forceinline__ RowsProduct(const GridArguments& a, Memory& memory, int thread)
      : Base(a, memory, thread) {}

  // A lane's part of a norm's weight and bias.
  struct NormVectors {
    float4 weight[kVectors];
    float4 bias[kVectors];
  };
  __device__ __forceinline__ NormVectors VectorsOf(const float (&norm)[2][S::kModel]) const {
    NormVectors vectors;
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      vectors.weight[v] = reinterpret_cast<const float4*>(norm[0])[v * 32 + team_.lane];
      vectors.bias[v] = reinterpret_cast<const float4*>(norm[1])[v * 32 + team_.lane];
    }
    return vectors;
  }
  // Row `row` in shared memory, into its own place. By one warp.
  __device__ __forceinline__ void Norm(int row, const NormVectors& norm) const {
    float(&place)[S::kModel + product::kSumPadding] = memory_.exchange.row[row];
    float4 x[kVectors];
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      x[v] = reinterpret_cast<const float4*>(place)[v * 32 + team_.lane];
    }
    const float mean = MeanOf(x, S::kModel, this->a_.norm_mean_share);
    const float factor = FactorOf(x, mean, S::kModel, this->a_.norm_epsilon);
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const float4 y = Normalised(x[v], mean, factor, norm.weight[v], norm.bias[v]);
      reinterpret_cast<uint2*>(place)[v * 32 + team_.lane] =
          make_uint2(Traits::Pack(y.x, y.y), Traits::Pack(y.z, y.w));
    }
  }

  // The team's tile, of the normed rows: leaves the warps' sums, behind a barrier of the team.
  __device__ __forceinline__ void MultiplyRows(const typename Memory::Tile& tile) const {
    const auto weights = this->Read(tile[team_.member]);
    const auto* const group =
        reinterpret_cast<const Type*>(memory_.exchange.row[0]) + team_.member * kGroup;
    constexpr int kStride = sizeof(memory_.exchange.row[0]) / sizeof(Type);
    float sums[1][4] = {};
    product::MultiplyGroup<Memory::kFormat, Memory::kOperand>(weights, ColumnsOf(group, kStride),
                                                              sums);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = team_.lane % 4 * 2 + i % 2;
      if (row < kRows) memory_.sums[team_.warp][row][team_.lane / 4 + i / 2 * 8] = sums[0][i];
    }
    team_.Sync();
  }
  // The sum over the team's warps of a row's output, team_.within.
  __device__ __forceinline__ float SumOfTeam(int row) const {
    float of_warp[S::kModelGroups];
#pragma unroll
    for (int w = 0; w < S::kModelGroups; ++w) {
      of_warp[w] = memory_.sums[team_.index * S::kModelGroups + w][row][team_.within];
    }
    float sum = 0;
#pragma unroll
    for (const float part : of_warp) sum += part;
    return sum;
  }

  // The columns of a group of which row r starts r * stride elements behind `staged`; those beyond
  // kRows are rows again.
  __device__ __forceinline__ Columns ColumnsOf(const Type* staged, int stride) const {
    return Columns(staged, stride, team_.lane / 8 * 8 + team_.lane % kRows);
  }
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_ROWS_PRODUCT_CUH_
