// The kernel of decode_product.h for many rows: tiles of outputs x columns, as in prefill, but with
// the order of sums of few rows.
//
//   weights [tile][step][lane][8], packed        in [rows][inputs], the operand's type
// A warp has 16 outputs and kWarpColumns tiles of 8 columns for all inputs. Groups of 64 inputs of
// both sides pass through a ring of kStages in shared memory, columns with their 16-byte parts
// exchanged (part ^ column % 8), so that ldmatrix meets no bank twice. They come in the order in
// which few rows' warps take them: groups w, w + W, ... are summed up from zero, then their sum is
// added to the total, for w = 0, 1, ... Bound by reading weights and columns from the second-level
// cache, once per tile.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_TILE_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_TILE_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/product_block.cuh"
#include "engine/cuda/kernels/product_tile_results.cuh"

namespace strided::cuda::product {

// The groups of 64 inputs in the order of sums.
class GroupOrder {
 public:
  __device__ GroupOrder(int groups, int warps) : groups_(groups), warps_(warps) {}
  __device__ bool done() const { return first_ >= warps_; }
  __device__ int group() const { return group_; }
  // Whether the group is the last of its warp's.
  __device__ bool ends_warp() const { return group_ + warps_ >= groups_; }
  __device__ void Advance() {
    group_ += warps_;
    if (group_ < groups_) return;
    group_ = ++first_;
  }

 private:
  int groups_;
  int warps_;  // at most `groups`
  int first_ = 0;
  int group_ = 0;
};

template <WeightFormat kFormat, Operand kOperandOf, int kOutputTilesOf, int kColumnTilesOf>
struct TileKernel {
  static constexpr Operand kOperand = kOperandOf;
  static constexpr int kOutputTiles = kOutputTilesOf;
  static constexpr int kOutputs = kOutputTiles * kTileOutputs;
  static constexpr int kColumns = kColumnTilesOf * kTileColumns;
  static constexpr int kWarpsAcrossColumns = 2;
  static constexpr int kThreads = 32 * kOutputTiles * kWarpsAcrossColumns;
  static constexpr int kWarpColumns = kColumnTilesOf / kWarpsAcrossColumns;
  static_assert(kWarpColumns % 2 == 0, "one ldmatrix serves two");
  static constexpr int kStages = 8;
  static constexpr int kAhead = kStages - 1;  // groups that are copied before their turn
  using Unit = WeightUnit<kFormat>;
  static constexpr int kUnits = kGroupSteps / Unit::kSteps * 32;  // 16 bytes each, of a tile
  static constexpr int kColumnBytes = kGroupInputs * 2;
  static_assert(kColumnBytes == 128, "eight parts, exchanged by the column's number mod 8");
  static constexpr int kWeightBytes = kOutputTiles * kUnits * 16;
  static constexpr int kStageBytes = kWeightBytes + kColumns * kColumnBytes;
  using Results = TileResults<kOperand, kOutputs, kColumns, kThreads>;
  static constexpr int kSharedBytes = kStages * kStageBytes;
  static_assert(Results::kSharedBytes <= kSharedBytes);

  // What a thread copies of each group: whole units of the weights and parts of the columns.
  static constexpr int kWeightCopies = kOutputTiles * kUnits / kThreads;
  static constexpr int kColumnCopies = kColumns * 8 / kThreads;
  static_assert(kThreads % kUnits == 0 && kOutputTiles * kUnits % kThreads == 0);
  static_assert(kThreads % 64 == 0 && kColumns * 8 % kThreads == 0,
                "part ^ column % 8 is one of a thread");

  struct Source {
    const std::byte* weights[kWeightCopies];  // of group 0
    const std::byte* columns[kColumnCopies];
  };

  // Outputs and columns beyond the last are copies of it: not stored.
  static __device__ __forceinline__ Source SourceOf(const DecodeProduct& p) {
    const int thread = threadIdx.x;
    const int steps = PackedSteps(p.matrix.inputs);
    Source source;
#pragma unroll
    for (int c = 0; c < kWeightCopies; ++c) {
      const int tile = blockIdx.x * kOutputTiles + thread / kUnits + c * (kThreads / kUnits);
      source.weights[c] = reinterpret_cast<const std::byte*>(
          Unit::Address(p.matrix.weights, min(tile, PackedTiles(p.matrix.outputs) - 1), 0, steps,
                        thread % kUnits));
    }
#pragma unroll
    for (int c = 0; c < kColumnCopies; ++c) {
      const int row = blockIdx.y * kColumns + thread / 8 + c * (kThreads / 8);
      source.columns[c] =
          p.in + (int64_t{min(row, p.rows - 1)} * p.matrix.inputs + thread % 8 * 8) * 2;
    }
    return source;
  }

  static __device__ __forceinline__ void CopyWeights(const Source& source, int group,
                                                     uint32_t stage) {
#pragma unroll
    for (int c = 0; c < kWeightCopies; ++c) {
      CopyAsync(stage + (threadIdx.x + c * kThreads) * 16,
                source.weights[c] + group * (kUnits * 16), /*valid=*/true);
    }
  }

  static __device__ __forceinline__ void CopyColumns(const Source& source, int group,
                                                     uint32_t stage) {
    const int column = threadIdx.x / 8;
    const uint32_t to =
        stage + kWeightBytes + column * kColumnBytes + ((threadIdx.x % 8 ^ column % 8) * 16);
#pragma unroll
    for (int c = 0; c < kColumnCopies; ++c) {
      CopyAsync(to + c * (kThreads / 8 * kColumnBytes), source.columns[c] + group * kColumnBytes,
                /*valid=*/true);
    }
  }

  using Sums = float[kWarpColumns][4];

  static __device__ __forceinline__ void MultiplyGroup(uint32_t stage, int warp_tile,
                                                       int warp_column, Sums& sums) {
    const int lane = threadIdx.x % 32;
    const int column = warp_column + lane / 16 * 8 + lane % 8;
    const uint32_t columns = stage + kWeightBytes + column * kColumnBytes;
    // All are on their way before the first is needed.
    uint4 units[kUnits / 32];
#pragma unroll
    for (int u = 0; u < kUnits / 32; ++u) {
      units[u] = ReadShared(stage + (warp_tile * kUnits + u * 32 + lane) * 16);
    }
    uint32_t b[kGroupSteps][kWarpColumns / 2][4];
#pragma unroll
    for (int step = 0; step < kGroupSteps; ++step) {
      const int part = step * 2 + lane / 8 % 2;
#pragma unroll
      for (int n = 0; n < kWarpColumns / 2; ++n) {
        LoadMatrices(b[step][n], columns + ((part ^ column % 8) * 16) + n * 16 * kColumnBytes);
      }
    }
#pragma unroll
    for (int step = 0; step < kGroupSteps; ++step) {
      uint32_t a[4];
      Unit::Fragment(units[step / Unit::kSteps], step % Unit::kSteps, a);
#pragma unroll
      for (int n = 0; n < kWarpColumns; ++n) {
        const uint32_t* const two = b[step][n / 2] + n % 2 * 2;
        MultiplyTile<kOperand>(sums[n], a, two[0], two[1]);
      }
    }
  }

  static __device__ __forceinline__ void AddTo(Sums& totals, Sums& sums) {
#pragma unroll
    for (int n = 0; n < kWarpColumns; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        totals[n][i] += sums[n][i];
        sums[n][i] = 0;
      }
    }
  }

  static __device__ __forceinline__ void MultiplyAll(const Source& source, GroupOrder ahead,
                                                     GroupOrder order, uint32_t shared,
                                                     Sums& totals) {
    const int warp = threadIdx.x / 32;
    const int warp_tile = warp / kWarpsAcrossColumns;
    const int warp_column = warp % kWarpsAcrossColumns * kWarpColumns * kTileColumns;
    Sums sums = {};
    uint32_t stage = shared;
    uint32_t free = shared + kAhead * kStageBytes;
    const auto after = [&](uint32_t at) {
      return at + kStageBytes == shared + kSharedBytes ? shared : at + kStageBytes;
    };
#pragma unroll 1
    for (; !order.done(); order.Advance()) {
      WaitForCopies<kAhead - 1>();
      __syncthreads();  // the group has arrived for all, and all are done with the one before
      if (!ahead.done()) {
        CopyWeights(source, ahead.group(), free);
        CopyColumns(source, ahead.group(), free);
        ahead.Advance();
      }
      CommitCopies();
      MultiplyGroup(stage, warp_tile, warp_column, sums);
      if (order.ends_warp()) AddTo(totals, sums);
      stage = after(stage);
      free = after(free);
    }
    __syncthreads();  // nothing is read of the stages any more
  }

  static __device__ __forceinline__ void Run(const DecodeProduct& p, int warps, std::byte* memory) {
    const uint32_t shared = SharedAddress(memory);
    const GroupOrder order(PackedSteps(p.matrix.inputs) / kGroupSteps, warps);
    const Source source = SourceOf(p);
    GroupOrder ahead = order;
    for (int s = 0; s < kAhead && !ahead.done(); ++s, ahead.Advance()) {
      CopyWeights(source, ahead.group(), shared + s * kStageBytes);
    }
    Results results(p);
    WaitForGridBefore();
    results.ReadResidual(p);
    ahead = order;
    for (int s = 0; s < kAhead; ++s) {
      if (!ahead.done()) {
        CopyColumns(source, ahead.group(), shared + s * kStageBytes);
        ahead.Advance();
      }
      CommitCopies();
    }
    Sums totals = {};
    MultiplyAll(source, ahead, order, shared, totals);
    auto* const floats = reinterpret_cast<float*>(memory);
    const int warp = threadIdx.x / 32;
    Results::Share(totals, warp / kWarpsAcrossColumns * kTileOutputs,
                   warp % kWarpsAcrossColumns * kWarpColumns * kTileColumns, floats);
    __syncthreads();
    results.Store(p, floats);
  }
};

// Grid: (tiles of outputs, tiles of columns).
template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads)
    TileProductKernel(const __grid_constant__ DecodeProduct p, int warps) {
  extern __shared__ __align__(128) std::byte shared[];
  LetNextGridStart();
  Kernel::Run(p, warps, shared);
}

}  // namespace strided::cuda::product

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_TILE_CUH_
