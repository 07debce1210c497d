// A block that norms: tiles of qkv, then tiles of up.
//
//   H --> norm | q, k, v --> to attention, keys and values to the caches too
//   H' -> norm | f(up)   --> to the blocks of down
// A bar is a barrier. All threads wait for the rows, a warp a row norms; every team then has a tile
// of outputs. Weights of the next layer are fetched as soon as those of this one have been used.

#ifndef STRIDED_ENGINE_CUDA_GRID_NORM_BLOCK_CUH_
#define STRIDED_ENGINE_CUDA_GRID_NORM_BLOCK_CUH_

#include <cstdint>

#include "engine/cuda/grid/cells.cuh"
#include "engine/cuda/grid/product_memory.cuh"
#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/product_results.cuh"

namespace strided::cuda::grid {

template <class S, class MemoryOf>
class NormBlock {
 public:
  using Memory = MemoryOf;
  static constexpr bool kFetchesKeysFirst = false;
  static constexpr int kCopiesAfterKeys = 0;

  __device__ __forceinline__ NormBlock(const GridArguments& a, Memory& memory, const Wait& wait)
      : a_(a),
        memory_(memory),
        thread_(threadIdx.x),
        team_(thread_),
        tile_(static_cast<int>(blockIdx.x) * S::kModelTeams + team_.index),
        output_(tile_ * kTileOutputs + team_.within),
        is_query_(output_ % S::kHead < S::kKey),
        wait_(wait) {}

  __device__ __forceinline__ void Begin() {
#pragma unroll 1
    for (int stage = 0; stage < kKinds * kLayersAhead; ++stage) Fetch(stage);
    Find(kQkv, 0);
    Find(kUp, 0);
    WaitForCopies<0>();
    __syncthreads();
  }
  // `tag`: the layer's.
  __device__ __forceinline__ void BeforeAttention(int layer, uint32_t tag) {
    if (BlockHas(kQkv)) {
      Run(kQkv, layer, tag);
    } else {  // up's norm is there for all, as behind qkv's barrier
      WaitForCopies<kLaterCopies>();
      __syncthreads();
    }
  }
  __device__ __forceinline__ void AfterAttention(int layer, uint32_t tag) {
    Fetch(kQkv + kKinds * (layer + kLayersAhead));
    Find(kQkv, layer + 1);
    Run(kUp, layer, tag);
    Fetch(kUp + kKinds * (layer + kLayersAhead));
    Find(kUp, layer + 1);
  }

 private:
  static constexpr int kQkv = 0;
  static constexpr int kUp = 1;
  static constexpr int kKinds = 2;
  static constexpr int kVectors = S::kModel / 128;
  static constexpr int kStride = S::kModel + product::kRowPadding;
  static constexpr Operand kOperand = Memory::kOperand;
  using Traits = OperandTraits<kOperand>;
  using Ring = typename Memory::Ring;

  __device__ __forceinline__ int OutputsOf(int kind) const {
    return kind == kQkv ? a_.n_head * S::kHead : S::kHidden;
  }
  __device__ __forceinline__ bool BlockHas(int kind) const {
    return static_cast<int>(blockIdx.x) * S::kModelTeams * kTileOutputs < OutputsOf(kind);
  }
  __device__ __forceinline__ bool TeamHas(int kind) const {
    return tile_ * kTileOutputs < OutputsOf(kind);
  }
  __device__ __forceinline__ bool Finishes(int kind) const {
    return team_.row < a_.rows && TeamHas(kind);
  }

  __device__ __forceinline__ void Run(int kind, int layer, uint32_t tag) {
    team_.ForgetPlaces();
    Forget(output_);
    Forget(thread_);
    const LayerCells<S> cells(a_, layer);
    const bool first = kind == kQkv && layer == 0;
    if (!first) {
      AwaitRows(kind, layer, tag);
      __syncthreads();
    }
    if (team_.warp < a_.rows) Norm(kind, layer, first);
    Multiply(kind, layer);
    if (!Finishes(kind)) return;
    const float sum = team_.SumOf(memory_);
    if (kind == kQkv) {
      const float value = qkv_scale_.Of(sum);
      Send(cells.Qkv(team_.row) + output_, ContentOf(value), tag);
      product::StoreTarget<kOperand>(target_, value);
    } else {
      const float value = Activate(a_.activation, up_scale_.Of(sum));
      const float next = __shfl_down_sync(0xFFFFu << team_.lane / 16 * 16, value, 1);
      if (team_.within % 2 != 0) return;
      Send(cells.Expanded(team_.row) + OperandCell(output_), Traits::Pack(value, next), tag);
    }
  }

  // A query stays float32, what caches hold is of their type.
  __device__ __forceinline__ uint32_t ContentOf(float value) const {
    return is_query_ ? __float_as_uint(value) : Traits::Pack(value, 0.0f);
  }

  // -- The norm, by warp r of row r.

  __device__ __forceinline__ void Norm(int kind, int layer, bool first) {
    float4 x[1][kVectors];
    if (first) {
      const auto* const row =
          reinterpret_cast<const float4*>(a_.hidden + static_cast<int64_t>(team_.warp) * S::kModel);
#pragma unroll
      for (int v = 0; v < kVectors; ++v) x[0][v] = __ldcg(row + v * 32 + team_.lane);
    } else {
      const auto* const row = reinterpret_cast<const float4*>(memory_.rows[team_.warp]);
#pragma unroll
      for (int v = 0; v < kVectors; ++v) x[0][v] = row[v * 32 + team_.lane];
    }
    auto* const to = memory_.normed[kind][team_.warp];
    NormaliseVectors<kVectors, 1>(x, 1, S::kModel, InShared(kind, layer), 0, S::kModel,
                                  [&](int, int i, const float4& y) {
                                    *reinterpret_cast<uint2*>(to + i) =
                                        make_uint2(Traits::Pack(y.x, y.y), Traits::Pack(y.z, y.w));
                                  });
  }

  // The residual stream before this stage to shared memory, by all threads of the block: one pair
  // of cells each at one or two rows of width 512.
  __device__ __forceinline__ void AwaitRows(int kind, int layer, uint32_t tag) {
    constexpr int kRowPairs = S::kModel / 2;
    constexpr int kPairs = kMostRows * kRowPairs / kThreads;
    if (kind == kQkv) {
      --layer;
      --tag;
    }
    const LayerCells<S> cells(a_, layer);
    AwaitSign(kind == kQkv ? cells.Expanded(0) : cells.Mixed(0), tag, wait_);
    // Rows follow each other.
    const Cell* const from = (kind == kQkv ? cells.Done(0) : cells.Attended(0)) + thread_ * 2;
    const auto has = [&](int i) { return i * kThreads + thread_ < a_.rows * kRowPairs; };
    CellPair pairs[kPairs];
    AwaitPairs(
        pairs, [&](int i) { return from + i * kThreads * 2; }, has, tag, wait_);
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      if (!has(i)) continue;
      reinterpret_cast<float2*>(memory_.rows)[i * kThreads + thread_] =
          make_float2(__uint_as_float(pairs[i].first), __uint_as_float(pairs[i].second));
    }
  }
  __device__ __forceinline__ DeviceNorm InShared(int kind, int layer) const {
    const auto& vectors = memory_.norm[kind][layer % kLayersAhead];
    return {vectors[0], vectors[1], a_.norm_epsilon, a_.norm_mean_share};
  }

  // -- The team's tile. Leaves the warps' sums, behind a barrier of the team.

  __device__ __forceinline__ void Multiply(int kind, int layer) {
    // The weights of this stage have come, and behind the barrier the next one's norm is there for
    // all.
    WaitForCopies<kLaterCopies>();
    const auto weights = Ring(memory_.weights[kind], team_.warp * 32 + team_.lane).Read(0, layer);
    __syncthreads();
    const product::GroupColumns<1> columns(
        memory_.normed[kind][0] + team_.member * product::kGroupInputs, kStride, team_.lane);
    float sums[1][4] = {};
    product::MultiplyGroup<Memory::kFormat, kOperand>(weights, columns, sums);
    product::ShareSums(sums, team_.lane, memory_.sums[team_.warp]);
    team_.Sync();
  }

  // -- What does not depend on other blocks. A stage of every layer commits its copies, be there
  // some or not.

  __device__ __forceinline__ void Fetch(int stage) {
    team_.ForgetPlaces();
    Forget(thread_);
    const int kind = stage % kKinds;
    const int layer = stage / kKinds;
    if (layer < a_.n_layer && BlockHas(kind)) {
      const DeviceLayer& of = a_.layers[layer];
      FetchNorm(kind, layer, kind == kQkv ? of.attn_norm : of.mlp_norm);
      if (TeamHas(kind)) {
        Ring(memory_.weights[kind], thread_)
            .Fetch(kind == kQkv ? of.qkv : of.up, tile_, team_.member, 0, layer);
      }
    }
    CommitCopies();
  }
  __device__ __forceinline__ void FetchNorm(int kind, int layer, const DeviceNorm& norm) {
    constexpr int kCopies = S::kModel / 4;
    if (thread_ >= 2 * kCopies) return;
    const int part = thread_ / kCopies;
    const int at = thread_ % kCopies * 4;
    CopyAsync(SharedAddress(memory_.norm[kind][layer % kLayersAhead][part] + at),
              (part == 0 ? norm.weight : norm.bias) + at, /*valid=*/true);
  }

  // What the thread's output of the stage needs.
  __device__ __forceinline__ void Find(int kind, int layer) {
    if (layer >= a_.n_layer || !Finishes(kind)) return;
    const DeviceLayer& of = a_.layers[layer];
    if (kind == kUp) {
      up_scale_.Fetch(of.up, output_);
      return;
    }
    qkv_scale_.Fetch(of.qkv, output_);
    if (!is_query_) FindTarget(layer);
  }

  // Where in the caches the thread's key or value goes.
  __device__ __forceinline__ void FindTarget(int layer) {
    DecodeProduct product;
    product.row_states = a_.row_states;
    product.sequences = a_.sequences;
    product.first_head = layer * a_.n_head;
    product.n_head = a_.n_head;
    product.d_key = S::kKey;
    product.d_value = S::kValue;
    const product::HeadOutput output = {output_ / S::kHead, output_ % S::kHead};
    target_ = product::TargetOf<kOperand>(
        product, output, a_.heads[product.first_head + output.head],
        product::PlaceOf<kOperand>(product, team_.row, output.head), team_.row);
  }

  const GridArguments& a_;
  Memory& memory_;
  int thread_;
  Team<S::kModelGroups> team_;
  const int tile_;       // of both products
  int output_;           // the thread's, of both
  const bool is_query_;  // of qkv
  Wait wait_;
  OutputScale qkv_scale_;
  OutputScale up_scale_;
  product::Target target_;  // of the thread's key or value
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_NORM_BLOCK_CUH_
