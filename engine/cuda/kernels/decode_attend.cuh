// The kernel of decode_attend.h: a cluster of a row's heads.
//
// Block h has head h: it norms the row, as every block does, computes the head's query, key and
// value, attends, and sends what comes of it to all blocks; then it adds its share of the outputs
// to the residual stream. Warps of attention hold the head's keys and values, the others the rows
// of its matrix; a tile of `out` by 64 inputs is each warp's. Sums as in decode_product.h and
// attention_early.cuh.
//
//   before the wait   weights, older keys and values in registers
//   after it          norm | products | sums | scores | values, sent | out | sums, residual
// A bar is a barrier of the block, or of its warps of attention. Blocks wait for each other only
// for what is sent: by then all have read the row that they then write.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_ATTEND_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_ATTEND_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/attend_head.cuh"
#include "engine/cuda/kernels/attend_sizes.cuh"
#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/cluster_arrivals.cuh"
#include "engine/cuda/kernels/decode_attend.h"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/product_staging.cuh"
#include "engine/cuda/kernels/product_weights.cuh"

namespace strided::cuda::attend {

template <class S>
class AttendBlock {
 public:
  using Memory = typename S::Memory;

  __device__ __forceinline__ AttendBlock(const DecodeAttend& a, Memory& memory)
      : a_(a),
        memory_(memory),
        arrivals_(memory.barrier),
        thread_(threadIdx.x),
        warp_(thread_ / 32),
        lane_(thread_ % 32),
        head_(blockIdx.y),
        row_(blockIdx.z) {}

  __device__ __forceinline__ void Run() {
    arrivals_.Open(kWidth * static_cast<int>(sizeof(typename S::Type)));
    FetchOut();
    norm_ = product::FetchNorm(a_.qkv.norm, kWidth, memory_.norm[0]);
    // Alike in all blocks of the cluster.
    attention::Query query;
    const bool busy = attention::FindQuery(a_.attention, sizeof(typename S::Type), query);
    if (warp_ < kAttentionWarps) {
      RunAttention(busy, query);
    } else {
      RunProducts(busy);
    }
    if (busy) Finish();
  }

 private:
  static constexpr int kProductWarps = kWarps - kAttentionWarps;
  // A product warp has two groups of two tiles.
  static constexpr int kUnits = 2;
  static_assert(kProductWarps * kUnits * kUnits == kTiles * kGroups);
  using Weights = GroupWeights<S::kFormat>;
  using Traits = OperandTraits<S::kOperand>;

  __device__ __forceinline__ int64_t OwnedAt() const {
    return static_cast<int64_t>(row_) * kWidth + head_ * kOwned + thread_;
  }
  __device__ __forceinline__ int GroupOf(int i) const {
    constexpr int kStep = kGroups / kUnits;
    return (warp_ - kAttentionWarps) % kStep + i * kStep;
  }
  __device__ __forceinline__ int TileOf(int i) const {
    constexpr int kStep = kTiles / kUnits;
    return (warp_ - kAttentionWarps) / (kGroups / kUnits) + i * kStep;
  }

  // The warps that compute the head's query, key and value.
  __device__ __forceinline__ void RunProducts(bool busy) {
    Weights weights[kUnits][kUnits];  // [group][tile]
#pragma unroll
    for (int g = 0; g < kUnits; ++g) {
#pragma unroll
      for (int t = 0; t < kUnits; ++t) {
        weights[g][t].Fetch(a_.qkv.matrix, head_ * kTiles + TileOf(t), GroupOf(g),
                            PackedSteps(kWidth), lane_);
      }
    }
    Wait();
    if (!busy) return;
    __syncthreads();
    Multiply(weights);
    __syncthreads();
    __syncthreads();
  }

  // Those that have its keys and values.
  __device__ __forceinline__ void RunAttention(bool busy, const attention::Query& query) {
    HeadWarps<S> head(a_, query, memory_);
    if (busy) head.Fetch();
    Wait();
    if (!busy) return;
    if (thread_ < kOwned) residual_ = __ldcg(a_.out.hidden + OwnedAt());
    if (warp_ == 0) Norm();
    __syncthreads();
    __syncthreads();
    if (thread_ < kOutputs) head.StoreSum(SumAt(memory_, thread_));
    __syncthreads();
    head.Attend();
    if (thread_ < kHeads * 4) head.Send(arrivals_);
  }

  // For the grid before, with the norm in shared memory.
  __device__ __forceinline__ void Wait() const {
    arrivals_.WaitForAll();
    __syncthreads();
    WaitForGridBefore();
  }

  // The block's outputs of the product that is added to the residual stream.
  __device__ __forceinline__ void Finish() {
    arrivals_.Wait();
    MultiplyOut();
    __syncthreads();
    if (thread_ >= kOwned) return;
    a_.out.hidden[OwnedAt()] = residual_ + fmaf(SumAt(memory_, thread_), out_scale_, out_bias_);
  }

  __device__ __forceinline__ void FetchOut() {
    constexpr int kOwnedTiles = kOwned / kTileOutputs;
    const DeviceMatrix& out = a_.out.matrix;
    out_weights_.Fetch(out, head_ * kOwnedTiles + warp_ / kGroups, warp_ % kGroups,
                       PackedSteps(kWidth), lane_);
    if (thread_ >= kOwned) return;
    const int output = head_ * kOwned + thread_;
    out_scale_ = out.scales != nullptr ? out.scales[output] : 1.0f;
    out_bias_ = out.bias != nullptr ? out.bias[output] : 0.0f;
  }

  __device__ __forceinline__ void Norm() {
    const float* const row = a_.qkv.hidden + static_cast<int64_t>(row_) * kWidth;
    auto* const to = memory_.normed[0];
    NormaliseHeld<kWidth / 128, 1>(row, 0, 1, kWidth, norm_, 0, kWidth,
                                   [&](int, int i, const float4& y) {
                                     *reinterpret_cast<uint2*>(to + i) =
                                         make_uint2(Traits::Pack(y.x, y.y), Traits::Pack(y.z, y.w));
                                   });
  }

  __device__ __forceinline__ void Multiply(const Weights (&weights)[kUnits][kUnits]) const {
#pragma unroll
    for (int g = 0; g < kUnits; ++g) {
      const product::GroupColumns<1> columns(memory_.normed[0] + GroupOf(g) * kGroupInputs,
                                             kWidth + product::kRowPadding, lane_);
#pragma unroll
      for (int t = 0; t < kUnits; ++t) {
        float sums[1][4] = {};
        product::MultiplyGroup<S::kFormat, S::kOperand>(weights[g][t], columns, sums);
        product::ShareSums(sums, lane_, memory_.sums[TileOf(t)][GroupOf(g)]);
      }
    }
  }

  __device__ __forceinline__ void MultiplyOut() {
    const int group = warp_ % kGroups;
    const product::GroupColumns<1> columns(memory_.mixed[0] + group * kGroupInputs,
                                           kWidth + product::kRowPadding, lane_);
    float sums[1][4] = {};
    product::MultiplyGroup<S::kFormat, S::kOperand>(out_weights_, columns, sums);
    product::ShareSums(sums, lane_, memory_.sums[warp_ / kGroups][group]);
  }

  const DecodeAttend& a_;
  Memory& memory_;
  const ClusterArrivals arrivals_;
  const int thread_;
  const int warp_;
  const int lane_;
  const int head_;  // of the block, also its place in the cluster
  const int row_;
  Weights out_weights_;
  DeviceNorm norm_;
  float out_scale_ = 1;
  float out_bias_ = 0;
  float residual_ = 0;
};

// Grid: (1, heads, rows), in clusters of a row's heads.
template <class S>
__global__ void __launch_bounds__(32 * kWarps, 1)
    DecodeAttendKernel(const __grid_constant__ DecodeAttend a) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(16) std::byte shared[];
  LetNextGridStart();
  AttendBlock<S>(a, *reinterpret_cast<typename S::Memory*>(shared)).Run();
#endif
}

}  // namespace strided::cuda::attend

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_ATTEND_CUH_
