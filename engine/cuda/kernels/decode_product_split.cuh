// The kernel of decode_product_split.h: a cluster of blocks for 64 outputs of 64 rows.
//
// Block b has the group of 64 inputs that warp b of 16 takes in decode_product.cu. So it reads a
// 16th of the weights and of the rows, each once for 64 of the others. It sends its sums
// to the blocks that own the rows, which add up what all have sent in the order of the blocks: the
// sums of decode_product.h.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_SPLIT_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_SPLIT_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/cluster_arrivals.cuh"
#include "engine/cuda/kernels/decode_product_split.h"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/product_weights.cuh"

namespace strided::cuda::split {

using product::kGroupInputs;
using product::kTileColumns;

inline constexpr int kTiles = 4;  // of outputs, of a block
inline constexpr int kOutputs = kTiles * kTileOutputs;
inline constexpr int kColumns = 64;
inline constexpr int kWarps = 8;  // a tile of half the columns each
inline constexpr int kThreads = 32 * kWarps;
inline constexpr int kWarpColumns = kColumns * kTiles / kWarps;
inline constexpr int kPitch = kOutputs + product::kSumPadding;  // floats between columns of sums
inline constexpr int kBlocks = product::kMaxWarps;              // of a cluster
inline constexpr int kOwned = kColumns / kBlocks;               // columns of a block
static_assert(kOwned * kOutputs == kThreads, "a result to each thread");

template <WeightFormat kFormatOf, Operand kOperandOf>
struct SplitSizes {
  static constexpr WeightFormat kFormat = kFormatOf;
  static constexpr Operand kOperand = kOperandOf;
  using Type = typename OperandTraits<kOperand>::Type;
  static constexpr int kStride = kGroupInputs + product::kRowPadding;

  struct Memory {
    __align__(16) Type staged[kColumns][kStride];
    __align__(16) float sums[kColumns][kPitch];
    // [block][column of those owned][output]
    __align__(16) float arrived[kColumns][kPitch];
    uint64_t barrier;  // for what arrives
  };
};

template <class S>
class SplitBlock {
 public:
  using Memory = typename S::Memory;

  __device__ __forceinline__ SplitBlock(const DecodeProduct& p, Memory& memory)
      : p_(p),
        memory_(memory),
        arrivals_(memory.barrier),
        thread_(threadIdx.x),
        warp_(thread_ / 32),
        lane_(thread_ % 32),
        rank_(blockIdx.x),
        first_row_(blockIdx.z * kColumns),
        columns_(min(kColumns, p.rows - first_row_)) {}

  __device__ __forceinline__ void Run() {
    arrivals_.Open(kBlocks * OwnedBy(rank_) * kPitch * static_cast<int>(sizeof(float)));
    FetchWeights();
    arrivals_.WaitForAll();
    WaitForGridBefore();
    Stage();
    const float residual = HasResult() ? __ldcg(p_.hidden + ResultAt()) : 0.0f;
    WaitForCopies<0>();
    __syncthreads();
    Multiply();
    __syncthreads();
    Send();
    if (HasResult()) Conclude(residual);
  }

 private:
  using Weights = product::GroupWeights<S::kFormat>;

  // Columns of block `rank`.
  __device__ __forceinline__ int OwnedBy(int rank) const {
    return max(0, min(kOwned, columns_ - rank * kOwned));
  }
  __device__ __forceinline__ int Output() const {
    return blockIdx.y * kOutputs + thread_ % kOutputs;
  }
  // Of the thread's result: one of the columns that the block owns.
  __device__ __forceinline__ int Column() const { return thread_ / kOutputs; }
  __device__ __forceinline__ bool HasResult() const { return Column() < OwnedBy(rank_); }
  __device__ __forceinline__ int64_t ResultAt() const {
    const int row = first_row_ + rank_ * kOwned + Column();
    return static_cast<int64_t>(row) * p_.matrix.outputs + Output();
  }

  __device__ __forceinline__ void FetchWeights() {
    const int steps = PackedSteps(p_.matrix.inputs);
    const int tile = blockIdx.y * kTiles + warp_ % kTiles;
    weights_.Fetch(p_.matrix, tile, rank_, steps, lane_);
    scale_ = p_.matrix.scales != nullptr ? __ldg(p_.matrix.scales + Output()) : 1.0f;
    bias_ = p_.matrix.bias != nullptr ? __ldg(p_.matrix.bias + Output()) : 0.0f;
    if (p_.next_weights == nullptr || blockIdx.z > 0) return;
    const int64_t bytes = int64_t{kOutputs} * kGroupInputs * WeightTraits<S::kFormat>::kBytes;
    product::Prefetch(p_.next_weights + (blockIdx.y * kBlocks + rank_) * bytes, bytes);
  }

  // The block's group of all columns.
  __device__ __forceinline__ void Stage() {
    constexpr int kParts = kGroupInputs / 8;  // of 16 bytes
    const auto* const in = reinterpret_cast<const typename S::Type*>(p_.in);
#pragma unroll 1
    for (int i = thread_; i < columns_ * kParts; i += kThreads) {
      const int column = i / kParts;
      const int within = i % kParts * 8;
      const int input = rank_ * kGroupInputs + within;
      CopyAsync(SharedAddress(&memory_.staged[column][within]),
                in + static_cast<int64_t>(first_row_ + column) * p_.matrix.inputs + input,
                /*valid=*/true);
    }
    CommitCopies();
  }

  __device__ __forceinline__ void Multiply() {
    constexpr int kTilesOfColumns = kWarpColumns / kTileColumns;
    const int first = warp_ / kTiles * kWarpColumns;
    if (first >= columns_) return;
    float sums[kTilesOfColumns][4] = {};
    const product::GroupColumns<kTilesOfColumns> inputs(memory_.staged[first], S::kStride, lane_);
    product::MultiplyGroup<S::kFormat, S::kOperand>(weights_, inputs, sums);
#pragma unroll
    for (int n = 0; n < kTilesOfColumns; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int column = first + n * kTileColumns + lane_ % 4 * 2 + i % 2;
        memory_.sums[column][warp_ % kTiles * kTileOutputs + lane_ / 4 + i / 2 * 8] = sums[n][i];
      }
    }
  }

  // Each column's sums to its owner, by 16 bytes.
  __device__ __forceinline__ void Send() const {
    constexpr int kParts = kPitch / 4;
#pragma unroll 1
    for (int i = thread_; i < columns_ * kParts; i += kThreads) {
      const int column = i / kParts;
      const int part = i % kParts * 4;
      arrivals_.Send(&memory_.arrived[rank_ * kOwned + column % kOwned][part],
                     *reinterpret_cast<const float4*>(&memory_.sums[column][part]),
                     column / kOwned);
    }
  }

  __device__ __forceinline__ void Conclude(float residual) const {
    arrivals_.Wait();
    float of_block[kBlocks];  // read together, added in order
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) {
      of_block[b] = memory_.arrived[b * kOwned + Column()][thread_ % kOutputs];
    }
    float sum = 0;
#pragma unroll
    for (const float part : of_block) sum += part;
    p_.hidden[ResultAt()] = residual + fmaf(sum, scale_, bias_);
  }

  const DecodeProduct& p_;
  Memory& memory_;
  const ClusterArrivals arrivals_;
  const int thread_;
  const int warp_;
  const int lane_;
  const int rank_;  // of the block in its cluster
  const int first_row_;
  const int columns_;
  Weights weights_;
  float scale_ = 1;
  float bias_ = 0;
};

// Grid: (kBlocks, 64s of outputs, 64s of rows), in clusters of kBlocks.
template <class S>
__global__ void __launch_bounds__(kThreads, 2)
    ProductSplitKernel(const __grid_constant__ DecodeProduct p) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(16) std::byte shared[];
  LetNextGridStart();
  SplitBlock<S>(p, *reinterpret_cast<typename S::Memory*>(shared)).Run();
#endif
}

}  // namespace strided::cuda::split

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_SPLIT_CUH_
