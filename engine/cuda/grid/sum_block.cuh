// A block that adds to the residual stream: tiles of out, or tiles of down.
//
// A warp reads its groups of inputs as B fragments straight from the cells, as they come; sums
// over the team's warps, and the residual stream, behind a barrier of the team.

#ifndef STRIDED_ENGINE_CUDA_GRID_SUM_BLOCK_CUH_
#define STRIDED_ENGINE_CUDA_GRID_SUM_BLOCK_CUH_

#include <cstdint>
#include <type_traits>

#include "engine/cuda/grid/cells.cuh"
#include "engine/cuda/grid/product_memory.cuh"

namespace strided::cuda::grid {

// H' = H + O mixed.
template <class S>
struct OutStage {
  static constexpr int kWarps = S::kModelGroups;
  static constexpr int kRounds = 1;
  static constexpr int kInputs = S::kModel;
  static constexpr int kPause = S::kPause;
  static __device__ __forceinline__ const DeviceMatrix& MatrixOf(const DeviceLayer& layer) {
    return layer.out;
  }
  static __device__ __forceinline__ const Cell* Inputs(const LayerCells<S>& cells, int row) {
    return cells.Mixed(row);
  }
};

// H = H' + down(expanded).
template <class S>
struct DownStage {
  static constexpr int kWarps = S::kDownWarps;
  static constexpr int kRounds = S::kDownRounds;
  static constexpr int kInputs = S::kHidden;
  static constexpr int kPause = S::kPause;
  static __device__ __forceinline__ const DeviceMatrix& MatrixOf(const DeviceLayer& layer) {
    return layer.down;
  }
  static __device__ __forceinline__ const Cell* Inputs(const LayerCells<S>& cells, int row) {
    return cells.Expanded(row);
  }
};

template <class S, class StageOf, class MemoryOf>
class SumBlock {
 public:
  using Stage = StageOf;
  using Memory = MemoryOf;
  // Down has time between attention and what it waits for, out behind it.
  static constexpr bool kFetchesKeysFirst = std::is_same_v<Stage, DownStage<S>>;
  static constexpr int kCopiesAfterKeys = kFetchesKeysFirst ? 1 : 0;

  // `index`: of the stage's blocks.
  __device__ __forceinline__ SumBlock(const GridArguments& a, Memory& memory, int index,
                                      const Wait& wait)
      : a_(a),
        memory_(memory),
        team_(threadIdx.x),
        tile_(index * (kWarps / Stage::kWarps) + team_.index),
        output_(tile_ * kTileOutputs + team_.within),
        finishes_(team_.row < a.rows),
        wait_(wait) {}

  __device__ __forceinline__ void Begin() {
    Fetch(0);
    CommitCopies();  // in the place of keys, which follow every later layer's weights
    Fetch(1);
    FindScale(0);
  }
  // `tag`: the layer's.
  __device__ __forceinline__ void BeforeAttention(int /*layer*/, uint32_t /*tag*/) {}
  __device__ __forceinline__ void AfterAttention(int layer, uint32_t tag) {
    const LayerCells<S> cells(a_, layer);
    team_.ForgetPlaces();
    Forget(output_);
    const float residual = finishes_ ? AwaitResidual(cells, layer, tag) : 0.0f;
    Multiply(cells, layer, tag);
    if (finishes_) Conclude(cells, layer, tag, residual + scale_.Of(team_.SumOf(memory_)));
    Fetch(layer + kLayersAhead);
    FindScale(layer + 1);
  }

 private:
  static constexpr bool kIsDown = kFetchesKeysFirst;

  __device__ __forceinline__ typename Memory::Ring Weights() const {
    return {memory_.weights, team_.warp * 32 + team_.lane};
  }
  __device__ __forceinline__ float* Hidden() const {
    return a_.hidden + static_cast<int64_t>(team_.row) * S::kModel + output_;
  }

  __device__ __forceinline__ float AwaitResidual(const LayerCells<S>& cells, int layer,
                                                 uint32_t tag) {
    if constexpr (kIsDown)
      return __uint_as_float(Await(cells.Attended(team_.row) + output_, tag, wait_));
    if (layer == 0) return __ldcg(Hidden());
    return __uint_as_float(
        Await(LayerCells<S>(a_, layer - 1).Done(team_.row) + output_, tag - 1, wait_));
  }

  __device__ __forceinline__ void Conclude(const LayerCells<S>& cells, int layer, uint32_t tag,
                                           float value) const {
    if constexpr (!kIsDown) {
      Send(cells.Attended(team_.row) + output_, value, tag);
    } else if (layer + 1 < a_.n_layer) {
      Send(cells.Done(team_.row) + output_, value, tag);
    } else {
      *Hidden() = value;
    }
  }

  // Leaves the warps' sums, behind a barrier of the team.
  __device__ __forceinline__ void Multiply(const LayerCells<S>& cells, int layer, uint32_t tag) {
    constexpr int kPairs = Stage::kRounds * product::kGroupSteps;
    const int row = team_.lane / 4;  // the lane's column
    const bool has = row < a_.rows;
    const Cell* const inputs = Stage::Inputs(cells, row) + team_.lane % 4 * 2;
    constexpr int kStepCells = kStepInputs / 2;
    WaitForCopies<kLaterCopies>();
    AwaitSign(kIsDown ? cells.Attended(0) : cells.Qkv(0), tag, wait_);
    typename Memory::Ring::Weights weights[Stage::kRounds];
#pragma unroll
    for (int round = 0; round < Stage::kRounds; ++round) {
      weights[round] = Weights().Read(round, layer);
    }
    CellPair pairs[kPairs] = {};
    AwaitPairs(
        pairs,
        [&](int i) {
          const int group = team_.member + i / product::kGroupSteps * Stage::kWarps;
          return inputs + (group * product::kGroupSteps + i % product::kGroupSteps) * kStepCells;
        },
        [&](int) { return has; }, tag, wait_);
    __syncwarp();
    float sums[1][4] = {};
#pragma unroll
    for (int round = 0; round < Stage::kRounds; ++round) {
      product::GroupColumns<1> columns;
#pragma unroll
      for (int step = 0; step < product::kGroupSteps; ++step) {
        columns.b[step][0][0] = pairs[round * product::kGroupSteps + step].first;
        columns.b[step][0][1] = pairs[round * product::kGroupSteps + step].second;
      }
      product::MultiplyGroup<Memory::kFormat, Memory::kOperand>(weights[round], columns, sums);
    }
    product::ShareSums(sums, team_.lane, memory_.sums[team_.warp]);
    team_.Sync();
  }

  __device__ __forceinline__ void Fetch(int layer) {
    if (layer < a_.n_layer) {
      Weights().Fetch(Stage::MatrixOf(a_.layers[layer]), tile_, team_.member, Stage::kWarps, layer);
    }
    CommitCopies();
  }
  __device__ __forceinline__ void FindScale(int layer) {
    if (layer < a_.n_layer && finishes_) {
      scale_.Fetch(Stage::MatrixOf(a_.layers[layer]), output_);
    }
  }

  const GridArguments& a_;
  Memory& memory_;
  Team<Stage::kWarps> team_;
  const int tile_;
  int output_;           // the thread's
  const bool finishes_;  // it, of a row
  Wait wait_;
  OutputScale scale_;
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_SUM_BLOCK_CUH_
