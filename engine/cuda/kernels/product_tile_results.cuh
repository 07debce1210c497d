// From a tile's sums to where they go (decode_product_tile.cuh): as product_results.cuh, eight
// neighbouring outputs of a row at a time.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_TILE_RESULTS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_TILE_RESULTS_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/product_block.cuh"
#include "engine/cuda/kernels/product_results.cuh"

namespace strided::cuda::product {

template <Operand kOperand, int kOutputs, int kColumns, int kThreads>
class TileResults {
  using Traits = OperandTraits<kOperand>;
  static constexpr int kParts = kOutputs / 8;  // of a row of the tile
  static constexpr int kItems = kColumns * kParts / kThreads;
  static constexpr int kPitch = kOutputs + kSumPadding;  // floats from one column to the next
  static_assert(kThreads % kParts == 0 && kColumns * kParts % kThreads == 0);

 public:
  static constexpr int kSharedBytes = kColumns * kPitch * static_cast<int>(sizeof(float));

  // What does not depend on the grid before.
  __device__ __forceinline__ explicit TileResults(const DecodeProduct& p)
      : within_(static_cast<int>(threadIdx.x) % kParts * 8),
        output_(static_cast<int>(blockIdx.x) * kOutputs + within_) {
    inside_ = output_ < p.matrix.outputs;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      scale_[i] = inside_ && p.matrix.scales != nullptr ? __ldg(p.matrix.scales + output_ + i) : 1;
      bias_[i] = inside_ && p.matrix.bias != nullptr ? __ldg(p.matrix.bias + output_ + i) : 0;
    }
    if (!inside_ || p.output != ProductOutput::kQueryKeyValue) return;
    const HeadOutput output = HeadOutputOf(p, output_);
    const HeadRows rows = p.heads[output.head];
#pragma unroll
    for (int item = 0; item < kItems; ++item) {
      const int row = RowOf(item);
      if (row >= p.rows) continue;
      targets_[item] =
          TargetOf<kOperand>(p, output, rows, PlaceOf<kOperand>(p, row, output.head), row);
    }
  }

  // After the wait, behind the product.
  __device__ __forceinline__ void ReadResidual(const DecodeProduct& p) {
    if (!inside_ || p.output != ProductOutput::kResidual) return;
#pragma unroll
    for (int item = 0; item < kItems; ++item) {
      if (RowOf(item) >= p.rows) continue;
      const auto* const from = reinterpret_cast<const float4*>(p.hidden + IndexOf(p, item));
      residual_[item][0] = __ldcg(from);
      residual_[item][1] = __ldcg(from + 1);
    }
  }

  // The sums of a warp whose outputs and columns start at `output` and `column` of the tile.
  template <int kWarpColumns>
  static __device__ __forceinline__ void Share(const float (&sums)[kWarpColumns][4], int output,
                                               int column, float* shared) {
    const int lane = threadIdx.x % 32;
    float* const to = shared + (column + lane % 4 * 2) * kPitch + output + lane / 4;
#pragma unroll
    for (int n = 0; n < kWarpColumns; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) to[(n * 8 + i % 2) * kPitch + i / 2 * 8] = sums[n][i];
    }
  }

  // Stores what Share has left, after a barrier.
  __device__ __forceinline__ void Store(const DecodeProduct& p, const float* shared) const {
    if (!inside_) return;
#pragma unroll
    for (int item = 0; item < kItems; ++item) {
      if (RowOf(item) >= p.rows) continue;
      const float* const sums = shared + ColumnOf(item) * kPitch + within_;
      float y[8];
#pragma unroll
      for (int i = 0; i < 8; ++i) y[i] = fmaf(sums[i], scale_[i], bias_[i]);
      StoreItem(p, item, y);
    }
  }

 private:
  static __device__ __forceinline__ int ColumnOf(int item) {
    return (static_cast<int>(threadIdx.x) + item * kThreads) / kParts;
  }
  static __device__ __forceinline__ int RowOf(int item) {
    return static_cast<int>(blockIdx.y) * kColumns + ColumnOf(item);
  }
  // Of the item's first output in [rows][outputs].
  __device__ __forceinline__ int64_t IndexOf(const DecodeProduct& p, int item) const {
    return static_cast<int64_t>(RowOf(item)) * p.matrix.outputs + output_;
  }

  static __device__ __forceinline__ void StoreFloats(float* to, const float (&y)[8]) {
    reinterpret_cast<float4*>(to)[0] = make_float4(y[0], y[1], y[2], y[3]);
    reinterpret_cast<float4*>(to)[1] = make_float4(y[4], y[5], y[6], y[7]);
  }
  static __device__ __forceinline__ void StoreOperands(std::byte* to, const float (&y)[8]) {
    if (to == nullptr) return;
    *reinterpret_cast<uint4*>(to) = make_uint4(Traits::Pack(y[0], y[1]), Traits::Pack(y[2], y[3]),
                                               Traits::Pack(y[4], y[5]), Traits::Pack(y[6], y[7]));
  }

  __device__ __forceinline__ void StoreItem(const DecodeProduct& p, int item, float (&y)[8]) const {
    if (p.output == ProductOutput::kQueryKeyValue) {
      if (targets_[item].query != nullptr) return StoreFloats(targets_[item].query, y);
      StoreOperands(targets_[item].first, y);
      return StoreOperands(targets_[item].second, y);
    }
    if (p.output == ProductOutput::kActivated) {
#pragma unroll
      for (int i = 0; i < 8; ++i) y[i] = Activate(p.activation, y[i]);
      return StoreOperands(p.out + IndexOf(p, item) * 2, y);
    }
    if (p.output == ProductOutput::kLogits) {
      return StoreFloats(reinterpret_cast<float*>(p.out) + IndexOf(p, item), y);
    }
    const float4 low = residual_[item][0];
    const float4 high = residual_[item][1];
    const float before[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
    for (int i = 0; i < 8; ++i) y[i] = before[i] + y[i];
    StoreFloats(p.hidden + IndexOf(p, item), y);
  }

  const int within_;  // the thread's first output, of the tile
  const int output_;  // of the matrix
  bool inside_ = false;
  float scale_[8];
  float bias_[8];
  Target targets_[kItems];
  float4 residual_[kItems][2];
};

}  // namespace strided::cuda::product

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_TILE_RESULTS_CUH_
