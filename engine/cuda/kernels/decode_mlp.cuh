// The kernel of decode_mlp.h: a cluster of blocks for 8 rows.
//
// Block b has the hidden units whose groups of 64 warp b of `down` takes in decode_product.cu: b,
// b + C, ... of a cluster of C = ProductWarps(d_ff) blocks. It norms the rows, as every block does,
// computes its hidden units, and then what they give to all outputs: the sums of warp b. It sends
// them to the blocks that own the outputs, which add up what all C have sent in the order of the
// blocks. So every sum is that of decode_product.h.
//
//   before the wait   units of `up` in registers, those of `down` on their way to shared memory
//   after it          norm | up | f | down, sent | sums, residual
// A bar is a barrier of the block. Blocks wait for each other only for what is sent: by then all
// have read the rows that the owners then write.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_MLP_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_MLP_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/cluster_arrivals.cuh"
#include "engine/cuda/kernels/decode_mlp.h"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/mlp_sizes.cuh"
#include "engine/cuda/kernels/product_staging.cuh"
#include "engine/cuda/kernels/product_weights.cuh"

namespace strided::cuda::mlp {

template <class S>
class MlpBlock {
 public:
  using Memory = typename S::Memory;
  using Weights = GroupWeights<S::kFormat>;

  __device__ __forceinline__ MlpBlock(const DecodeMlp& m, Memory& memory)
      : m_(m),
        memory_(memory),
        arrivals_(memory.barrier),
        thread_(threadIdx.x),
        warp_(thread_ / 32),
        lane_(thread_ % 32),
        rank_(blockIdx.x),
        blocks_(gridDim.x),
        owned_(S::kWidth / blocks_),
        first_row_(blockIdx.y * kTileColumns),
        columns_(min(kTileColumns, m.rows - first_row_)) {}

  // What does not depend on the grid before.
  __device__ __forceinline__ void Begin() {
    arrivals_.Open(S::kWidth * columns_ * static_cast<int>(sizeof(float)));
    FetchWeights();
    norm_ = product::FetchNorm(m_.norm, S::kWidth, memory_.norm[0]);
    FindCells();
    arrivals_.WaitForAll();
  }

  // The rest, after the wait.
  __device__ __forceinline__ void Finish() {
    if (owns_) residual_ = __ldcg(m_.hidden + owned_at_);
    Norm();
    __syncthreads();
    MultiplyUp();
    WaitForCopies<0>();
    ReadDown();
    __syncthreads();
    Expand();
    __syncthreads();
    MultiplyDown();
    if (owns_) Conclude();
  }

 private:
  static constexpr int kSumStride = kTileOutputs + product::kSumPadding;

  // Of `down`, or of the whole hidden layer: the block's group number `round`.
  __device__ __forceinline__ int GroupOf(int round) const { return rank_ + round * blocks_; }
  // A warp's unit number u of up: tiles of the block's hidden units, all of one group of inputs.
  __device__ __forceinline__ int UpGroup() const { return warp_ % S::kWidthGroups; }
  __device__ __forceinline__ int UpTile(int u) const {
    return warp_ / S::kWidthGroups + u * (kWarps / S::kWidthGroups);
  }
  __device__ __forceinline__ int HiddenTileOf(int tile) const {
    constexpr int kGroupTiles = kGroupInputs / kTileOutputs;
    return GroupOf(tile / kGroupTiles) * kGroupTiles + tile % kGroupTiles;
  }
  // Of down: a tile of outputs.
  __device__ __forceinline__ int DownTile(int i) const { return warp_ * S::kTiles + i; }

  __device__ __forceinline__ void FetchWeights() {
    const int up_steps = PackedSteps(m_.up.inputs);
    const int down_steps = PackedSteps(m_.down.inputs);
#pragma unroll
    for (int u = 0; u < S::kUnits; ++u) {
      weights_[u].Fetch(m_.up, HiddenTileOf(UpTile(u)), UpGroup(), up_steps, lane_);
    }
#pragma unroll
    for (int u = 0; u < S::kUnits; ++u) {
      const int first = GroupOf(u % S::kRounds) * product::kGroupSteps;
#pragma unroll
      for (int i = 0; i < Weights::kUnits; ++i) {
        const uint4* const from =
            Weights::Unit::Address(m_.down.weights, DownTile(u / S::kRounds),
                                   first + i * Weights::Unit::kSteps, down_steps, lane_);
        CopyAsync(SharedAddress(&memory_.down[u][i][thread_]), from, /*valid=*/true);
      }
    }
    CommitCopies();
  }

  // The thread's own results: an output that the block owns, of one column.
  __device__ __forceinline__ void FindCells() {
    owned_column_ = thread_ / owned_;
    owned_within_ = thread_ % owned_;
    const int output = rank_ * owned_ + owned_within_;
    owns_ = owned_column_ < columns_;
    owned_at_ = static_cast<int64_t>(first_row_ + owned_column_) * S::kWidth + output;
    if (!owns_) return;
    scale_ = m_.down.scales != nullptr ? m_.down.scales[output] : 1.0f;
    bias_ = m_.down.bias != nullptr ? m_.down.bias[output] : 0.0f;
  }

  __device__ __forceinline__ void Norm() {
    using Traits = OperandTraits<S::kOperand>;
    if (warp_ >= columns_) return;
    const float* const row = m_.hidden + static_cast<int64_t>(first_row_ + warp_) * S::kWidth;
    auto* const to = memory_.normed[warp_];
    NormaliseHeld<S::kWidth / 128, 1>(
        row, 0, 1, S::kWidth, norm_, 0, S::kWidth, [&](int, int i, const float4& y) {
          *reinterpret_cast<uint2*>(to + i) =
              make_uint2(Traits::Pack(y.x, y.y), Traits::Pack(y.z, y.w));
        });
  }

  __device__ __forceinline__ void MultiplyUp() {
    const product::GroupColumns<1> columns(memory_.normed[0] + UpGroup() * kGroupInputs,
                                           S::kWidth + product::kRowPadding, lane_);
#pragma unroll
    for (int u = 0; u < S::kUnits; ++u) {
      float sums[1][4] = {};
      product::MultiplyGroup<S::kFormat, S::kOperand>(weights_[u], columns, sums);
      product::ShareSums(sums, lane_, memory_.sums[UpTile(u)][UpGroup()]);
    }
  }

  __device__ __forceinline__ void ReadDown() {
#pragma unroll
    for (int u = 0; u < S::kUnits; ++u) {
#pragma unroll
      for (int i = 0; i < Weights::kUnits; ++i) weights_[u].units[i] = memory_.down[u][i][thread_];
    }
  }

  // f of the block's hidden units, from the sums of up's warps in their order.
  __device__ __forceinline__ void Expand() {
    const int unit = thread_ % S::kHidden;
    const int output = HiddenTileOf(unit / kTileOutputs) * kTileOutputs + unit % kTileOutputs;
    const float scale = m_.up.scales != nullptr ? __ldg(m_.up.scales + output) : 1.0f;
    const float bias = m_.up.bias != nullptr ? __ldg(m_.up.bias + output) : 0.0f;
#pragma unroll 1
    for (int c = thread_ / S::kHidden; c < columns_; c += 32 * kWarps / S::kHidden) {
      float of_warp[S::kWidthGroups];  // read together, added in order
#pragma unroll
      for (int w = 0; w < S::kWidthGroups; ++w) {
        of_warp[w] = memory_.sums[unit / kTileOutputs][w][c * kSumStride + unit % kTileOutputs];
      }
      float sum = 0;
#pragma unroll
      for (const float part : of_warp) sum += part;
      memory_.expanded[c][unit] =
          OperandTraits<S::kOperand>::From(Activate(m_.activation, fmaf(sum, scale, bias)));
    }
  }

  // To the owners of the outputs.
  __device__ __forceinline__ void MultiplyDown() {
    float sums[S::kTiles][1][4] = {};
#pragma unroll
    for (int round = 0; round < S::kRounds; ++round) {
      const product::GroupColumns<1> columns(memory_.expanded[0] + round * kGroupInputs,
                                             S::kHidden + product::kRowPadding, lane_);
#pragma unroll
      for (int i = 0; i < S::kTiles; ++i) {
        product::MultiplyGroup<S::kFormat, S::kOperand>(weights_[i * S::kRounds + round], columns,
                                                        sums[i]);
      }
    }
#pragma unroll
    for (int i = 0; i < S::kTiles; ++i) SendSums(DownTile(i) * kTileOutputs, sums[i][0]);
  }

  // Of the outputs from `output` on, to their owner.
  __device__ __forceinline__ void SendSums(int output, const float (&sums)[4]) const {
    const int owner = output / owned_;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const int column = lane_ % 4 * 2 + k % 2;
      if (column >= columns_) continue;
      const int within = output % owned_ + lane_ / 4 + k / 2 * 8;
      arrivals_.Send(memory_.arrived + ArrivedAt(rank_, column, within), __float_as_uint(sums[k]),
                     owner);
    }
  }

  __device__ __forceinline__ int ArrivedAt(int block, int column, int within) const {
    return (block * kTileColumns + column) * (owned_ + product::kSumPadding) + within;
  }

  __device__ __forceinline__ void Conclude() {
    arrivals_.Wait();
    float of_block[kMostBlocks];  // read together, added in order
#pragma unroll
    for (int b = 0; b < kMostBlocks; ++b) {
      of_block[b] =
          b < blocks_ ? memory_.arrived[ArrivedAt(b, owned_column_, owned_within_)] : 0.0f;
    }
    float sum = 0;
#pragma unroll
    for (const float part : of_block) sum += part;
    m_.hidden[owned_at_] = residual_ + fmaf(sum, scale_, bias_);
  }

  const DecodeMlp& m_;
  Memory& memory_;
  const ClusterArrivals arrivals_;
  const int thread_;
  const int warp_;
  const int lane_;
  const int rank_;    // of the block in its cluster
  const int blocks_;  // C
  const int owned_;   // outputs of a block
  const int first_row_;
  const int columns_;
  Weights weights_[S::kUnits];  // of up, then of down
  DeviceNorm norm_;
  bool owns_ = false;
  int owned_column_ = 0;
  int owned_within_ = 0;
  int64_t owned_at_ = 0;  // in `hidden`
  float residual_ = 0;
  float scale_ = 1;
  float bias_ = 0;
};

// Grid: (C, clusters of 8 rows), in clusters of C blocks.
template <class S>
__global__ void __launch_bounds__(32 * kWarps, 1)
    DecodeMlpKernel(const __grid_constant__ DecodeMlp m) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(16) std::byte shared[];
  LetNextGridStart();
  MlpBlock<S> block(m, *reinterpret_cast<typename S::Memory*>(shared));
  block.Begin();
  __syncthreads();  // the norm is there
  WaitForGridBefore();
  block.Finish();
#endif
}

}  // namespace strided::cuda::mlp

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_MLP_CUH_
