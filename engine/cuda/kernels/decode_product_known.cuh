// The kernel of decode_product_known.h: a block of 16 warps for 16 rows and some tiles of 16
// outputs.
//
//   weights [tile][step][lane][8], packed        sums [warp of a tile][row][output] float32, shared
// The W warps of a tile in decode_product.h take its groups of 64 inputs here too, and their sums
// are added in their order: the same bits. Where W is 8, a block's warps are two such sets, which
// share its tiles, or the rows of its one tile. A warp norms one row; rows that are not normed are
// copied by the hardware, once for the blocks of a cluster, which have the same rows. A thread ends
// with two neighbouring outputs of one row, whose place it has found before the wait.
//
// Sizes are constants, so that what lies behind the wait is straight code. It runs once, and bounds
// the kernel more than the bytes do: instructions first, then the latency of reading the rows.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_KNOWN_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_KNOWN_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/cluster_arrivals.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/product_results.cuh"
#include "engine/cuda/kernels/product_weights.cuh"
#include "engine/cuda/kernels/row_norm.cuh"

namespace strided::cuda::known {

using product::kGroupInputs;
using product::kGroupSteps;
using product::kTileColumns;

inline constexpr int kWarps = product::kMaxWarps;
inline constexpr int kThreads = 32 * kWarps;
inline constexpr int kRows = 16;  // of a block
static_assert(kRows == kWarps, "a warp norms a row");

template <WeightFormat kFormatOf, Operand kOperandOf, ProductOutput kOutputOf, int kInputsOf,
          int kTilesOf>
struct KnownSizes {
  static constexpr WeightFormat kFormat = kFormatOf;
  static constexpr Operand kOperand = kOperandOf;
  static constexpr ProductOutput kOutput = kOutputOf;
  static constexpr int kInputs = kInputsOf;
  static constexpr int kTiles = kTilesOf;  // of outputs
  using Traits = OperandTraits<kOperand>;
  using Type = typename Traits::Type;
  static constexpr bool kNormed = kOutput != ProductOutput::kResidual;
  // Clusters of the next kernel that came early would crowd this one's blocks.
  static constexpr bool kStartsNextLate = kOutput == ProductOutput::kActivated;
  static constexpr int kOutputs = kTiles * kTileOutputs;
  static constexpr int kGroups = kInputs / kGroupInputs;
  static constexpr int kShares = kGroups < kWarps ? kGroups : kWarps;  // W
  static constexpr int kRounds = kGroups / kShares;                    // groups of a warp
  static constexpr int kSets = kWarps / kShares;
  static_assert(kSets * kShares == kWarps && kRounds * kShares == kGroups);
  // What a set has of the block's tiles, and of its 8s of rows.
  static constexpr bool kSharesTiles = kTiles >= kSets;
  static constexpr int kSetTiles = kSharesTiles ? kTiles / kSets : kTiles;
  static constexpr int kSetColumns = kRows / kTileColumns / (kSharesTiles ? 1 : kSets);
  static constexpr int kRowBytes = kInputs * static_cast<int>(sizeof(Type));
  static constexpr int kStride = kInputs + product::kRowPadding;
  static constexpr int kPitch = kOutputs + product::kSumPadding;
  static constexpr int kPairs = kOutputs / 2;  // of neighbouring outputs
  static_assert(kRows * kPairs <= kThreads);

  struct Memory {
    __align__(16) Type staged[kRows][kStride];
    __align__(16) float sums[kShares][kRows][kPitch];
    __align__(16) float norm_weight[kNormed ? kInputs : 4];
    __align__(16) float norm_bias[kNormed ? kInputs : 4];
    // What ends need, out of the way of registers: of each output, and of each thread's two.
    __align__(16) float scales[kOutputs];
    __align__(16) float biases[kOutputs];
    product::Target targets[kOutput == ProductOutput::kQueryKeyValue ? kThreads : 1];
    uint64_t barrier;  // for the rows
  };
};

template <class S>
class KnownBlock {
 public:
  using Memory = typename S::Memory;

  // `sharing`: the blocks of a cluster.
  __device__ __forceinline__ KnownBlock(const DecodeProduct& p, int sharing, Memory& memory)
      : p_(p),
        sharing_(sharing),
        memory_(memory),
        thread_(static_cast<int>(threadIdx.x)),
        warp_(thread_ / 32),
        lane_(thread_ % 32),
        first_row_(static_cast<int>(blockIdx.y) * kRows),
        first_tile_(static_cast<int>(blockIdx.x) * S::kTiles) {}

  __device__ __forceinline__ void Run() {
    const ClusterArrivals arrivals(memory_.barrier);
    if constexpr (!S::kNormed) arrivals.Open(kRows * S::kRowBytes);
    FetchWeights();
    if constexpr (S::kNormed) FetchNorm();
    FindResults();
    PrefetchNext();
    if constexpr (S::kNormed) {
      __syncthreads();
    } else {
      arrivals.WaitForAll();
    }
    WaitForGridBefore();
    if constexpr (S::kStartsNextLate) LetNextGridStart();
    if constexpr (S::kNormed) {
      StageNormed();
    } else {
      StageOperand();
      if (has_result()) residual_ = __ldcg(reinterpret_cast<const float2*>(p_.hidden + ResultAt()));
      arrivals.Wait();
    }
    if constexpr (S::kNormed) __syncthreads();
    Multiply();
    __syncthreads();
    if (has_result()) Conclude();
  }

 private:
  using Type = typename S::Type;
  using Weights = product::GroupWeights<S::kFormat>;
  using Unit = typename Weights::Unit;

  // Its place among the warps of a tile, and among the sets of these.
  __device__ __forceinline__ int share() const { return warp_ % S::kShares; }
  __device__ __forceinline__ int set() const { return warp_ / S::kShares; }
  __device__ __forceinline__ int set_tile() const {
    return S::kSharesTiles ? set() * S::kSetTiles : 0;
  }
  __device__ __forceinline__ int set_column() const {
    return S::kSharesTiles ? 0 : set() * S::kSetColumns * kTileColumns;
  }

  __device__ __forceinline__ void FetchWeights() {
    constexpr int kSteps = S::kInputs / kStepInputs;
    const uint4* const from = Unit::Address(p_.matrix.weights, first_tile_ + set_tile(),
                                            share() * kGroupSteps, kSteps, lane_);
#pragma unroll
    for (int r = 0; r < S::kRounds; ++r) {
#pragma unroll
      for (int t = 0; t < S::kSetTiles; ++t) {
#pragma unroll
        for (int u = 0; u < Weights::kUnits; ++u) {
          const int step = t * kSteps + r * S::kShares * kGroupSteps + u * Unit::kSteps;
          weights_[r][t].units[u] = __ldg(from + step / Unit::kSteps * 32);
        }
      }
    }
  }

  __device__ __forceinline__ void FetchNorm() {
    static_assert(S::kInputs <= 4 * kThreads);
    if (thread_ >= S::kInputs / 4) return;
    const int i = thread_ * 4;
    *reinterpret_cast<float4*>(memory_.norm_weight + i) =
        __ldg(reinterpret_cast<const float4*>(p_.norm.weight + i));
    *reinterpret_cast<float4*>(memory_.norm_bias + i) =
        __ldg(reinterpret_cast<const float4*>(p_.norm.bias + i));
  }

  // The thread's two neighbouring outputs of one row: the first of them, among the block's, and the
  // row.
  __device__ __forceinline__ int output() const { return thread_ % S::kPairs * 2; }
  __device__ __forceinline__ int row() const { return first_row_ + thread_ / S::kPairs; }
  __device__ __forceinline__ bool has_result() const {
    return thread_ < kRows * S::kPairs && row() < p_.rows;
  }
  __device__ __forceinline__ int64_t ResultAt() const {
    return static_cast<int64_t>(row()) * p_.matrix.outputs + first_tile_ * kTileOutputs + output();
  }

  // What results need beside the sums, but for the residual stream.
  __device__ __forceinline__ void FindResults() {
    const int first = first_tile_ * kTileOutputs;
    if (thread_ < S::kOutputs) {
      const int at = first + thread_;
      memory_.scales[thread_] = p_.matrix.scales != nullptr ? __ldg(p_.matrix.scales + at) : 1.0f;
      memory_.biases[thread_] = p_.matrix.bias != nullptr ? __ldg(p_.matrix.bias + at) : 0.0f;
    }
    if constexpr (S::kOutput == ProductOutput::kQueryKeyValue) {
      if (!has_result()) return;
      const product::HeadOutput of_head = product::HeadOutputOf(p_, first + output());
      const product::Place place = product::PlaceOf<S::kOperand>(p_, row(), of_head.head);
      memory_.targets[thread_] =
          product::TargetOf<S::kOperand>(p_, of_head, p_.heads[of_head.head], place, row());
    }
  }

  __device__ __forceinline__ void PrefetchNext() const {
    if (p_.next_weights == nullptr || blockIdx.y != 0 || thread_ != 0) return;
    constexpr int kBytes = S::kOutputs * S::kInputs * WeightTraits<S::kFormat>::kBytes;
    cluster::PrefetchBulk(p_.next_weights + static_cast<int64_t>(blockIdx.x) * kBytes, kBytes);
  }

  // Rows beyond the last are copies of it: not stored.
  __device__ __forceinline__ void StageNormed() {
    const int row = min(first_row_ + warp_, p_.rows - 1);
    DeviceNorm norm = p_.norm;
    norm.weight = memory_.norm_weight;
    norm.bias = memory_.norm_bias;
    Type* const to = memory_.staged[warp_];
    NormaliseHeld<S::kInputs / 128, 1>(
        p_.hidden + static_cast<int64_t>(row) * S::kInputs, 0, 1, S::kInputs, norm, 0, S::kInputs,
        [&](int, int i, const float4& y) {
          using Traits = typename S::Traits;
          *reinterpret_cast<uint2*>(to + i) =
              make_uint2(Traits::Pack(y.x, y.y), Traits::Pack(y.z, y.w));
        });
  }

  // The block's share of the rows, to all blocks that share them. Code for any 9.0 has no such
  // copies: all rows, to the block itself.
  __device__ __forceinline__ void StageOperand() const {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    const int count = kRows / sharing_;
    const int place = static_cast<int>(cluster::RankInCluster()) * count + thread_;
#else
    constexpr int count = kRows;
    const int place = thread_;
#endif
    if (thread_ >= count) return;
    const int row = min(first_row_ + place, p_.rows - 1);
    const std::byte* const from = p_.in + static_cast<int64_t>(row) * S::kRowBytes;
    const uint32_t to = SharedAddress(memory_.staged[place]);
    const uint32_t barrier = SharedAddress(&memory_.barrier);
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    cluster::CopyToAll(sharing_, to, from, S::kRowBytes, barrier);
#else
    cluster::CopyBulk(to, from, S::kRowBytes, barrier);
#endif
  }

  __device__ __forceinline__ void Multiply() {
    float sums[S::kSetTiles][S::kSetColumns][4] = {};
#pragma unroll
    for (int r = 0; r < S::kRounds; ++r) {
      const product::GroupColumns<S::kSetColumns> inputs(
          memory_.staged[set_column()] + (share() + r * S::kShares) * kGroupInputs, S::kStride,
          lane_);
#pragma unroll
      for (int t = 0; t < S::kSetTiles; ++t) {
        product::MultiplyGroup<S::kFormat, S::kOperand>(weights_[r][t], inputs, sums[t]);
      }
    }
    float* const to =
        &memory_.sums[share()][set_column() + lane_ % 4 * 2][set_tile() * kTileOutputs + lane_ / 4];
#pragma unroll
    for (int t = 0; t < S::kSetTiles; ++t) {
#pragma unroll
      for (int n = 0; n < S::kSetColumns; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          to[(n * kTileColumns + i % 2) * S::kPitch + t * kTileOutputs + i / 2 * 8] = sums[t][n][i];
        }
      }
    }
  }

  // Adds the warps' sums in their order, and stores what comes of them.
  __device__ __forceinline__ void Conclude() const {
    const auto two = [&](const float* of_output) {
      return *reinterpret_cast<const float2*>(of_output + output());
    };
    float2 of_warp[S::kShares];  // read together
#pragma unroll
    for (int w = 0; w < S::kShares; ++w) {
      of_warp[w] = two(memory_.sums[w][thread_ / S::kPairs]);
    }
    float2 sum = make_float2(0, 0);
#pragma unroll
    for (const float2 part : of_warp) {
      sum.x += part.x;
      sum.y += part.y;
    }
    const float2 scale = two(memory_.scales);
    const float2 bias = two(memory_.biases);
    Store(fmaf(sum.x, scale.x, bias.x), fmaf(sum.y, scale.y, bias.y));
  }

  __device__ __forceinline__ void Store(float first, float second) const {
    using Traits = typename S::Traits;
    if constexpr (S::kOutput == ProductOutput::kResidual) {
      *reinterpret_cast<float2*>(p_.hidden + ResultAt()) =
          make_float2(residual_.x + first, residual_.y + second);
    } else if constexpr (S::kOutput == ProductOutput::kActivated) {
      *reinterpret_cast<uint32_t*>(p_.out + ResultAt() * sizeof(Type)) =
          Traits::Pack(Activate(p_.activation, first), Activate(p_.activation, second));
    } else {
      const product::Target target = memory_.targets[thread_];
      if (target.query != nullptr) {
        *reinterpret_cast<float2*>(target.query) = make_float2(first, second);
      }
      const uint32_t pair = Traits::Pack(first, second);
      if (target.first != nullptr) *reinterpret_cast<uint32_t*>(target.first) = pair;
      if (target.second != nullptr) *reinterpret_cast<uint32_t*>(target.second) = pair;
    }
  }

  const DecodeProduct& p_;
  const int sharing_;
  Memory& memory_;
  const int thread_;
  const int warp_;
  const int lane_;
  const int first_row_;
  const int first_tile_;
  Weights weights_[S::kRounds][S::kSetTiles];
  float2 residual_ = {0, 0};
};

// Grid: (outputs / kOutputs, 16s of rows); of rows that are not normed in clusters of `sharing`.
template <class S>
__global__ void __launch_bounds__(kThreads, 2)
    KnownProductKernel(const __grid_constant__ DecodeProduct p, int sharing) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(16) std::byte shared[];
  if constexpr (!S::kStartsNextLate) LetNextGridStart();
  KnownBlock<S>(p, sharing, *reinterpret_cast<typename S::Memory*>(shared)).Run();
#endif
}

}  // namespace strided::cuda::known

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_KNOWN_CUH_
