// The tensor-core kernel of wide_product.h.
//
//   weights [tile][step][lane][8], packed                   in  [rows][in_stride], 16-bit
// One block per tile of outputs x rows; a warp has kWarpTiles * 16 outputs and kWarpRows rows of
// it. Blocks of 64 inputs of both sides pass through a ring of kStages in shared memory: weights as
// they are packed, so that a lane reads its fragment in 16 bytes; rows with their 16-byte parts
// exchanged (part ^ row % 8), so that ldmatrix meets no bank twice. Sums: float32, steps in order.
// Bound by the tensor cores; 2 bytes * (outputs + rows) of a tile come from L2 per input.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_WIDE_PRODUCT_KERNEL_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_WIDE_PRODUCT_KERNEL_CUH_

#include <algorithm>

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/warpgroup.cuh"
#include "engine/cuda/kernels/weight_packing.h"
#include "engine/cuda/kernels/wide_product.h"
#include "engine/cuda/kernels/wide_results.cuh"

namespace strided::cuda {

// By which instructions: of a warp, or of a warpgroup (warpgroup.cuh). Their sums may round
// differently, so a device has one of the two for all products.
enum class WideWay { kWarps, kWarpgroups };

template <WideTile kTile>
struct WideStages;

template <>
struct WideStages<WideTile::kLarge> {
  static constexpr int kStages = 4, kBlocksPerMultiprocessor = 1;
};
template <>
struct WideStages<WideTile::kMedium> {
  static constexpr int kStages = 3, kBlocksPerMultiprocessor = 2;
};
template <>
struct WideStages<WideTile::kSmall> {
  static constexpr int kStages = 4, kBlocksPerMultiprocessor = 3;
};

template <WideTile kTile, WideWay kWay>
struct WideShape : WideStages<kTile> {
  static constexpr int kWarpsAcrossOutputs = kTile == WideTile::kLarge ? 4 : 2;
  static constexpr int kWarpsAcrossRows = 2;
};
// A warpgroup takes all rows of 64 outputs.
template <WideTile kTile>
struct WideShape<kTile, WideWay::kWarpgroups> : WideStages<kTile> {
  static constexpr int kWarpsAcrossOutputs = SizeOf(kTile).outputs / kTileOutputs;
  static constexpr int kWarpsAcrossRows = 1;
};

template <WeightFormat kFormat, WideTile kTile, WideWay kWay>
struct WideKernel : WideShape<kTile, kWay> {
  using Shape = WideShape<kTile, kWay>;
  static constexpr Operand kOperand =
      kFormat == WeightFormat::kFloat16 ? Operand::kFloat16 : Operand::kBfloat16;
  static constexpr int kOutputs = SizeOf(kTile).outputs;
  static constexpr int kRows = SizeOf(kTile).rows;
  static constexpr int kTiles = kOutputs / kTileOutputs;
  static constexpr int kThreads = 32 * Shape::kWarpsAcrossOutputs * Shape::kWarpsAcrossRows;
  static constexpr int kWarpTiles = kTiles / Shape::kWarpsAcrossOutputs;
  static constexpr int kWarpRows = kRows / Shape::kWarpsAcrossRows;
  static constexpr int kColumns = kWarpRows / 8;  // of the mma shape, 8 rows each
  static_assert(kColumns % 2 == 0, "one ldmatrix serves two");

  static constexpr int kSteps = kStepQuantum;  // of a stage
  static constexpr int kUnitSteps = WeightUnit<kFormat>::kSteps;
  static constexpr int kUnits = kSteps / kUnitSteps * 32;  // 16 bytes each, of a tile and stage
  static constexpr int kRowBytes = kSteps * kStepInputs * 2;
  static_assert(kRowBytes == 128, "eight parts, exchanged by the row's number mod 8");
  static constexpr int kWeightBytes = kTiles * kUnits * 16;
  static constexpr int kStageBytes = kWeightBytes + kRows * kRowBytes;
  static constexpr int kAhead = Shape::kStages - 1;  // stages that are copied before their turn
  using Results = WideResults<kOperand, kOutputs, kRows, kThreads>;
  static constexpr int kSharedBytes = std::max(kStageBytes * Shape::kStages, Results::kSharedBytes);

  // -- Copies into a stage.

  // What a thread copies of each stage: whole parts of the weights and of the rows.
  static constexpr int kWeightCopies = kTiles * kUnits / kThreads;
  static constexpr int kRowCopies = kRows * 8 / kThreads;
  static_assert(kThreads % kUnits == 0 && kTiles * kUnits % kThreads == 0);
  static_assert(kThreads % 64 == 0 && kRows * 8 % kThreads == 0,
                "part ^ row % 8 is one of a thread");

  struct Source {
    const std::byte* weights;  // the thread's unit of tile 0, stage 0
    const std::byte* rows;     // the thread's part of row 0, stage 0
    uint32_t tile_bytes;       // of the matrix
    uint32_t row_bytes;
    int tile;  // the first that the thread copies from
    int last_tile;
    int row;  // the first that the thread copies from
    int last_row;
  };

  static __device__ __forceinline__ Source SourceOf(const WideProduct& p, int first_tile,
                                                    int first_row) {
    const int thread = threadIdx.x;
    Source source;
    source.weights = p.matrix.weights + thread % kUnits * 16;
    source.rows = p.in + thread % 8 * 16;
    source.tile_bytes = PackedSteps(p.matrix.inputs) / kSteps * kUnits * 16;
    source.row_bytes = static_cast<uint32_t>(p.in_stride) * 2;
    source.tile = first_tile + thread / kUnits;
    source.last_tile = PackedTiles(p.matrix.outputs) - 1;
    source.row = first_row + thread / 8;
    source.last_row = p.rows - 1;
    return source;
  }

  // Hides that a number is the same in each round of a loop: what follows from it is computed
  // anew, in two instructions, instead of being held in registers that the sums need.
  static __device__ __forceinline__ int Anew(int number) {
    asm volatile("" : "+r"(number));
    return number;
  }

  // Tiles and rows beyond the last are copies of it: not stored.
  static __device__ __forceinline__ void CopyWeights(const Source& source, int stage_index,
                                                     uint32_t stage) {
    const std::byte* const from = source.weights + stage_index * (kUnits * 16);
    const uint32_t to = stage + threadIdx.x * 16;
    const int first_tile = Anew(source.tile);
#pragma unroll
    for (int c = 0; c < kWeightCopies; ++c) {
      const int tile = min(first_tile + c * (kThreads / kUnits), source.last_tile);
      CopyAsync(to + c * (kThreads * 16),
                from + static_cast<uint64_t>(static_cast<uint32_t>(tile)) * source.tile_bytes,
                true);
    }
  }

  static __device__ __forceinline__ void CopyRows(const Source& source, int stage_index,
                                                  uint32_t stage) {
    const int row_in_tile = threadIdx.x / 8;
    const int first_row = Anew(source.row);
    const int part = threadIdx.x % 8;
    const std::byte* const from = source.rows + stage_index * kRowBytes;
    const uint32_t to =
        stage + kWeightBytes + row_in_tile * kRowBytes + ((part ^ row_in_tile % 8) * 16);
#pragma unroll
    for (int c = 0; c < kRowCopies; ++c) {
      const int row = min(first_row + c * (kThreads / 8), source.last_row);
      CopyAsync(to + c * (kThreads / 8 * kRowBytes),
                from + static_cast<uint64_t>(static_cast<uint32_t>(row)) * source.row_bytes, true);
    }
  }

  // -- Products of a stage.

  struct Fragments {
    uint4 unit[kWarpTiles];
    uint32_t rows[kColumns / 2][4];  // two columns: low and high inputs of each
  };

  static __device__ __forceinline__ void LoadFragments(uint32_t stage, int step, int warp_tile,
                                                       int warp_row, Fragments& to) {
    const int lane = threadIdx.x % 32;
    if (step % kUnitSteps == 0) {
#pragma unroll
      for (int m = 0; m < kWarpTiles; ++m) {
        const uint32_t from =
            stage + ((warp_tile + m) * kUnits + step / kUnitSteps * 32 + lane) * 16;
        to.unit[m] = ReadShared(from);
      }
    }
    const int row = warp_row + lane / 16 * 8 + lane % 8;
    const int part = step * 2 + lane / 8 % 2;
    const uint32_t from = stage + kWeightBytes + row * kRowBytes + ((part ^ row % 8) * 16);
#pragma unroll
    for (int n = 0; n < kColumns / 2; ++n) LoadMatrices(to.rows[n], from + n * 16 * kRowBytes);
  }

  // Units that hold more than one step.
  static __device__ __forceinline__ void KeepUnits(const Fragments& from, int step, Fragments& to) {
    if (step % kUnitSteps == 0) return;
#pragma unroll
    for (int m = 0; m < kWarpTiles; ++m) to.unit[m] = from.unit[m];
  }

  using Sums = float[kWarpTiles][kColumns][4];

  static __device__ __forceinline__ void Multiply(const Fragments& fragments, int step,
                                                  Sums& sums) {
#pragma unroll
    for (int m = 0; m < kWarpTiles; ++m) {
      uint32_t a[4];
      WeightUnit<kFormat>::Fragment(fragments.unit[m], step % kUnitSteps, a);
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
        const uint32_t* const b = fragments.rows[n / 2] + n % 2 * 2;
        MultiplyTile<kOperand>(sums[m][n], a, b[0], b[1]);
      }
    }
  }

  // -- Main loop.

  // Before a step is multiplied, the fragments of the next are on their way, those of the next
  // stage too.
  static __device__ __forceinline__ void MultiplyAll(const Source& source, int stages,
                                                     uint32_t shared, int warp_tile, int warp_row,
                                                     Sums& sums) {
    const uint32_t end = shared + Shape::kStages * kStageBytes;
    const auto after = [&](uint32_t stage) {
      return stage + kStageBytes == end ? shared : stage + kStageBytes;
    };
    uint32_t stage = shared;                        // that is multiplied
    uint32_t free = shared + kAhead * kStageBytes;  // that is copied to
    Fragments fragments[2];
    WaitForCopies<kAhead - 1>();
    __syncthreads();  // stage 0 has arrived for all
    LoadFragments(stage, 0, warp_tile, warp_row, fragments[0]);
#pragma unroll 1
    for (int s = 0; s < stages; ++s) {
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        Fragments& next = fragments[(step + 1) % 2];
        if (step + 1 < kSteps) {
          KeepUnits(fragments[step % 2], step + 1, next);
          LoadFragments(stage, step + 1, warp_tile, warp_row, next);
        } else {
          WaitForCopies<kAhead - 1>();
          __syncthreads();  // stage s + 1 has arrived for all; all have the fragments of stage s
          stage = after(stage);
          if (s + 1 < stages) LoadFragments(stage, 0, warp_tile, warp_row, next);
        }
        if (step == 0 && s + kAhead < stages) CopyWeights(source, s + kAhead, free);
        if (step == 1) {  // apart, since addresses take registers
          if (s + kAhead < stages) CopyRows(source, s + kAhead, free);
          CommitCopies();
          free = after(free);
        }
        Multiply(fragments[step % 2], step, sums);
      }
    }
  }

  // The same by warpgroups. A stage is free once all have met after their products of it.
  static __device__ __forceinline__ void MultiplyByWarpgroups(const Source& source, int stages,
                                                              uint32_t shared, int warp_tile,
                                                              Sums& sums) {
    static_assert(kWarpTiles == 1 && kWeightBytes % 1024 == 0 && kStageBytes % 1024 == 0);
    const uint32_t lane_units = (warp_tile * kUnits + threadIdx.x % 32) * 16;
#pragma unroll 1
    for (int s = 0; s < stages; ++s) {
      WaitForCopies<kAhead - 1>();
      ShowToProducts();
      __syncthreads();  // stage s has arrived for all, and all are done with stage s - 1
      const uint32_t stage = shared + s % Shape::kStages * kStageBytes;
      uint4 units[kSteps / kUnitSteps];
#pragma unroll
      for (int u = 0; u < kSteps / kUnitSteps; ++u) {
        units[u] = ReadShared(stage + lane_units + u * (32 * 16));
      }
      uint32_t weights[kSteps][4];
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        WeightUnit<kFormat>::Fragment(units[step / kUnitSteps], step % kUnitSteps, weights[step]);
      }
      BeginProducts();
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        const uint64_t rows = ColumnsAt(stage + kWeightBytes + step * (kStepInputs * 2));
        WarpgroupProduct<kOperand, kRows>::template Begin<false>(sums[0], weights[step], rows,
                                                                 /*add=*/true);
      }
      CommitProducts();
      if (s + kAhead < stages) {
        const uint32_t free = shared + (s + kAhead) % Shape::kStages * kStageBytes;
        CopyWeights(source, s + kAhead, free);
        CopyRows(source, s + kAhead, free);
      }
      CommitCopies();
      WaitForProducts<0>();
    }
    __syncthreads();  // nothing is read of the stages any more
  }

  static __device__ __forceinline__ void Run(const WideProduct& p, std::byte* memory) {
    const int output_tiles = (p.matrix.outputs + kOutputs - 1) / kOutputs;
    const int first_output = static_cast<int>(blockIdx.x % output_tiles) * kOutputs;
    const int first_row = static_cast<int>(blockIdx.x / output_tiles) * kRows;
    const int stages = PackedSteps(p.matrix.inputs) / kSteps;
    const int warp = threadIdx.x / 32;
    const int warp_tile = warp / Shape::kWarpsAcrossRows * kWarpTiles;
    const int warp_row = warp % Shape::kWarpsAcrossRows * kWarpRows;
    const uint32_t shared = SharedAddress(memory);
    const Source source = SourceOf(p, first_output / kTileOutputs, first_row);

    // Weights do not depend on the grid before.
    for (int s = 0; s < kAhead && s < stages; ++s) {
      CopyWeights(source, s, shared + s * kStageBytes);
    }
    WaitForGridBefore();
    LetNextGridStart();
    for (int s = 0; s < kAhead; ++s) {
      if (s < stages) CopyRows(source, s, shared + s * kStageBytes);
      CommitCopies();
    }
    Sums sums = {};
    if constexpr (kWay == WideWay::kWarpgroups) {
      MultiplyByWarpgroups(source, stages, shared, warp_tile, sums);
    } else {
      MultiplyAll(source, stages, shared, warp_tile, warp_row, sums);
    }

    // All copies have arrived, and after its last barrier nothing is read of the stages.
    auto* const results = reinterpret_cast<float*>(memory);
    Results::Share(sums, warp_tile * kTileOutputs, warp_row, results);
    __syncthreads();
    Results::Store(p, first_output, first_row, results);
  }
};

// Whether code for this device is compiled: that of warpgroups is 9.0's own.
template <WideWay kWay>
__device__ constexpr bool HasWideWay() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  return true;
#else
  return kWay == WideWay::kWarps;
#endif
}

template <WeightFormat kFormat, WideTile kTile, WideWay kWay>
__global__ void __launch_bounds__(WideKernel<kFormat, kTile, kWay>::kThreads,
                                  WideKernel<kFormat, kTile, kWay>::kBlocksPerMultiprocessor)
    WideProductKernel(const __grid_constant__ WideProduct p) {
  extern __shared__ __align__(1024) std::byte shared[];
  if constexpr (HasWideWay<kWay>()) WideKernel<kFormat, kTile, kWay>::Run(p, shared);
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_WIDE_PRODUCT_KERNEL_CUH_
