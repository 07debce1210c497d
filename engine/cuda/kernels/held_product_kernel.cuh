// wide_product.h where a block can hold all inputs of its rows: by warpgroups, weights from L2.
//
//   rows    [stage][128 rows][64 inputs], 16-bit, in shared memory, as warpgroup.cuh reads them
//   results [warpgroup][128 rows][64 outputs], 16-bit, the same exchange of parts
// The product is cut into tiles of 64 outputs x 128 rows, row tiles outermost, and each block takes
// an equal stretch of them: its four warpgroups every fourth tile, each at its own pace, so that
// one stores results while others multiply. A warp's weights come from L2 straight to the registers
// that the product reads, a stage of 64 inputs ahead. Rows are copied once for each row tile: the
// last warp that leaves a stage has it filled with the next row tile's.
// Sums: float32, steps in order, as in wide_product_kernel.cuh. Bound by the tensor cores and by
// L2, of which a tile takes 64 x inputs x 2 bytes.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_HELD_PRODUCT_KERNEL_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_HELD_PRODUCT_KERNEL_CUH_

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/held_results.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/warpgroup.cuh"
#include "engine/cuda/kernels/weight_packing.h"
#include "engine/cuda/kernels/wide_product.h"

namespace strided::cuda {

template <WeightFormat kFormat>
struct HeldKernel {
  static constexpr Operand kOperand =
      kFormat == WeightFormat::kFloat16 ? Operand::kFloat16 : Operand::kBfloat16;
  static constexpr int kOutputs = SizeOf(WideTile::kHeld).outputs;
  static constexpr int kRows = SizeOf(WideTile::kHeld).rows;
  static constexpr int kGroups = 4;
  static constexpr int kGroupThreads = 32 * kWarpgroupWarps;
  static constexpr int kThreads = kGroups * kGroupThreads;
  static constexpr int kSteps = kStepQuantum;  // of a stage
  static constexpr int kUnitSteps = WeightUnit<kFormat>::kSteps;
  static constexpr int kUnits = kSteps / kUnitSteps;  // of a lane, tile and stage
  static constexpr int kStageBytes = kRows * kSteps * kStepInputs * 2;
  using Results = HeldResults<kOperand, kRows>;
  static constexpr int kColumns = Results::kColumns;
  using Sums = typename Results::Sums;

  static constexpr int SharedBytes(int stages) {
    return stages * kStageBytes + kGroups * Results::kBytes + stages * 16;
  }

  // Where things lie in shared memory.
  struct Shared {
    uint32_t rows;
    uint32_t results;
    uint32_t barriers;  // [stage]: whether it has arrived
    uint32_t* left;     // [stage]: warps that have left it
    int stages;

    __device__ Shared(std::byte* memory, int stage_count)
        : rows(SharedAddress(memory)),
          results(rows + stage_count * kStageBytes),
          barriers(results + kGroups * Results::kBytes),
          left(reinterpret_cast<uint32_t*>(memory + (barriers - rows) + stage_count * 8)),
          stages(stage_count) {}
    __device__ uint32_t Stage(int s) const { return rows + s * kStageBytes; }
    __device__ uint32_t Arrived(int s) const { return barriers + s * 8; }
  };

  // The block's stretch of tiles; tile t has outputs t % across and rows t / across.
  struct Stretch {
    int across;
    int begin;
    int end;

    __device__ explicit Stretch(const WideProduct& p) {
      across = (p.matrix.outputs + kOutputs - 1) / kOutputs;
      const int64_t tiles = int64_t{across} * ((p.rows + kRows - 1) / kRows);
      begin = static_cast<int>(tiles * blockIdx.x / gridDim.x);
      end = static_cast<int>(tiles * (blockIdx.x + 1) / gridDim.x);
    }
    __device__ int FirstRowTile() const { return begin / across; }
    __device__ int LastRowTile() const { return (end - 1) / across; }
  };

  // -- Row copies.

  // By one thread.
  static __device__ __forceinline__ void CopyRows(const CUtensorMap& map, const Shared& shared,
                                                  int s, int row_tile) {
    Expect(shared.Arrived(s), kStageBytes);
    CopyTile(shared.Stage(s), map, s * (kSteps * kStepInputs), row_tile * kRows, shared.Arrived(s));
  }

  // The warp will not read the stage of this row tile any more. By all its threads.
  static __device__ __forceinline__ void Leave(const CUtensorMap& map, const Stretch& stretch,
                                               const Shared& shared, int s, int row_tile) {
    if (threadIdx.x % 32 != 0 || row_tile >= stretch.LastRowTile()) return;
    if (atomicAdd(shared.left + s, 1) % (kThreads / 32) != kThreads / 32 - 1) return;
    CopyRows(map, shared, s, row_tile + 1);
  }

  // -- Weight loads.

  struct Weights {
    uint4 units[kUnits];
  };

  // The lane's of one stage and the warp's 16 outputs, from its first byte on; kept in no cache but
  // the second, where other blocks find them.
  static __device__ __forceinline__ Weights LoadWeights(const std::byte* from) {
    Weights weights;
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      uint4& unit = weights.units[u];
      asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
                   : "=r"(unit.x), "=r"(unit.y), "=r"(unit.z), "=r"(unit.w)
                   : "l"(from + u * (32 * 16)));
    }
    return weights;
  }

  // The lane's first byte of a tile's weights. Beyond the last output those before it: not stored.
  static __device__ __forceinline__ const std::byte* WeightsOf(const WideProduct& p, int tile) {
    const int warp = threadIdx.x / 32 % kWarpgroupWarps;
    const int packed =
        min(tile * (kOutputs / kTileOutputs) + warp, PackedTiles(p.matrix.outputs) - 1);
    return reinterpret_cast<const std::byte*>(WeightUnit<kFormat>::Address(
        p.matrix.weights, packed, 0, PackedSteps(p.matrix.inputs), threadIdx.x % 32));
  }

  // -- Main loop.

  static __device__ __forceinline__ void MultiplyStage(const Weights& held, uint32_t stage,
                                                       Sums& sums) {
    uint32_t weights[kSteps][4];
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      WeightUnit<kFormat>::Fragment(held.units[step / kUnitSteps], step % kUnitSteps,
                                    weights[step]);
    }
    BeginProducts();
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      WarpgroupProduct<kOperand, kRows>::template Begin<false>(
          sums, weights[step], ColumnsAt(stage + step * (kStepInputs * 2)), /*add=*/true);
    }
    CommitProducts();
    WaitForProducts<0>();
  }

  // All tiles of a warpgroup. Each looks at every row tile of the stretch, also where it has no
  // tile of it: phases are counted.
  static __device__ __forceinline__ void MultiplyAll(const WideProduct& p, const CUtensorMap& map,
                                                     const Stretch& stretch, const Shared& shared,
                                                     int tile, Weights held) {
    constexpr int kStageUnitBytes = kUnits * 32 * 16;
    const int group = threadIdx.x / kGroupThreads;
    const Results results(shared.results + group * Results::kBytes, group);
    const int first = stretch.FirstRowTile();
    for (int row_tile = first; row_tile <= stretch.LastRowTile(); ++row_tile) {
      const uint32_t parity = (row_tile - first) % 2;
      const int end = min(stretch.end, (row_tile + 1) * stretch.across);
      bool arrived = false;
      if (tile >= end) LeaveRows(map, stretch, shared, row_tile, parity);
      for (; tile < end; tile += kGroups) {
        const bool leaves = tile + kGroups >= end;
        const int next = tile + kGroups < stretch.end ? tile + kGroups : tile;
        const std::byte* from = WeightsOf(p, tile % stretch.across);
        Sums sums = {};
#pragma unroll 1
        for (int s = 0; s < shared.stages; ++s) {
          from =
              s + 1 < shared.stages ? from + kStageUnitBytes : WeightsOf(p, next % stretch.across);
          const Weights following = LoadWeights(from);
          if (!arrived) WaitForPhase(shared.Arrived(s), parity);
          MultiplyStage(held, shared.Stage(s), sums);
          if (leaves) Leave(map, stretch, shared, s, row_tile);
          held = following;
        }
        arrived = true;
        results.Store(p, sums, tile % stretch.across * kOutputs, row_tile * kRows);
      }
    }
  }

  static __device__ __forceinline__ void LeaveRows(const CUtensorMap& map, const Stretch& stretch,
                                                   const Shared& shared, int row_tile,
                                                   uint32_t parity) {
    for (int s = 0; s < shared.stages; ++s) {
      WaitForPhase(shared.Arrived(s), parity);
      Leave(map, stretch, shared, s, row_tile);
    }
  }

  static __device__ __forceinline__ void Run(const WideProduct& p, const CUtensorMap& map,
                                             std::byte* memory) {
    const Shared shared(memory, PackedSteps(p.matrix.inputs) / kSteps);
    const Stretch stretch(p);
    const int tile = stretch.begin + static_cast<int>(threadIdx.x) / kGroupThreads;
    // Weights do not depend on the grid before.
    const Weights first = LoadWeights(WeightsOf(p, tile % stretch.across));
    if (threadIdx.x == 0) {
      for (int s = 0; s < shared.stages; ++s) {
        InitBarrier(shared.Arrived(s), 1);
        shared.left[s] = 0;
      }
      PublishBarriers();
    }
    __syncthreads();
    WaitForGridBefore();
    LetNextGridStart();
    if (threadIdx.x == 0) {
      for (int s = 0; s < shared.stages; ++s) {
        CopyRows(map, shared, s, stretch.FirstRowTile());
      }
    }
    MultiplyAll(p, map, stretch, shared, tile, first);
  }
};

template <WeightFormat kFormat>
__global__ void __launch_bounds__(HeldKernel<kFormat>::kThreads, 1)
    HeldProductKernel(const __grid_constant__ WideProduct p,
                      const __grid_constant__ CUtensorMap map) {
  extern __shared__ __align__(1024) std::byte shared[];
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  HeldKernel<kFormat>::Run(p, map, shared);
#endif
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_HELD_PRODUCT_KERNEL_CUH_
