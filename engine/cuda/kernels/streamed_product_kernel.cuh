// wide_product.h in large tiles, by warpgroups; the hardware copies tiles of both sides.
//
//   stage   weights [16 tiles][64 inputs x 16 outputs], packed, then rows [192 rows][64 inputs],
//           16-bit, as warpgroup.cuh reads them
//   results [warpgroup][8 KiB], streamed_results.cuh
// A tile is 256 outputs x 192 rows: 64 outputs of all its rows for each of four warpgroups. A block
// takes every gridDim-th tile. Stages of 64 inputs pass through kStages of shared memory, over the
// ends of tiles: the last warp that leaves a stage has it filled. A warp reads its weights step by
// step, since 96 sums leave a thread few registers; meanwhile the other warpgroups multiply.
// Sums: float32, steps in order, as in wide_product_kernel.cuh. Bound by the tensor cores and by
// L2, of which a tile takes (256 + 192) x inputs x 2 bytes.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_STREAMED_PRODUCT_KERNEL_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_STREAMED_PRODUCT_KERNEL_CUH_

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/streamed_results.cuh"
#include "engine/cuda/kernels/tile_copies.cuh"
#include "engine/cuda/kernels/warpgroup.cuh"
#include "engine/cuda/kernels/weight_packing.h"
#include "engine/cuda/kernels/wide_product.h"

namespace strided::cuda {

// How a launch's tiles are copied (tile_map.h).
struct StreamMaps {
  CUtensorMap weights;
  CUtensorMap in;
  CUtensorMap out;
};

template <WeightFormat kFormat>
struct StreamedKernel {
  static constexpr Operand kOperand =
      kFormat == WeightFormat::kFloat16 ? Operand::kFloat16 : Operand::kBfloat16;
  static constexpr int kOutputs = SizeOf(WideTile::kStreamed).outputs;
  static constexpr int kRows = SizeOf(WideTile::kStreamed).rows;
  static constexpr int kGroupOutputs = kWarpgroupWarps * kTileOutputs;
  static constexpr int kGroups = kOutputs / kGroupOutputs;
  static constexpr int kWarps = kGroups * kWarpgroupWarps;
  static constexpr int kThreads = kWarps * 32;
  static constexpr int kSteps = kStepQuantum;  // of a stage
  static constexpr int kUnitSteps = WeightUnit<kFormat>::kSteps;
  static constexpr int kUnits = kSteps / kUnitSteps;  // of a lane and stage
  static constexpr int kUnitBytes = 32 * 16;          // of a warp
  static constexpr int kWeightBytes = kWarps * kUnits * kUnitBytes;
  static constexpr int kStages = 3;
  static constexpr int kStageBytes = kWeightBytes + kRows * kSteps * kStepInputs * 2;
  static_assert(kWeightBytes % 1024 == 0 && kStageBytes % 1024 == 0);
  using Results = StreamedResults<kOperand, kRows>;
  using Sums = typename Results::Sums;
  static constexpr int kSharedBytes = kStages * (kStageBytes + 16) + kGroups * Results::kBytes;

  // Where things lie in shared memory.
  struct Shared {
    uint32_t stages;
    uint32_t results;
    uint32_t barriers;  // [stage]: whether it has arrived
    uint32_t* left;     // [stage]: warps that have left it

    __device__ explicit Shared(std::byte* memory)
        : stages(SharedAddress(memory)),
          results(stages + kStages * kStageBytes),
          barriers(results + kGroups * Results::kBytes),
          left(reinterpret_cast<uint32_t*>(memory + (barriers - stages) + kStages * 8)) {}
    __device__ uint32_t Stage(int slot) const { return stages + slot * kStageBytes; }
    __device__ uint32_t Arrived(int slot) const { return barriers + slot * 8; }
  };

  // Stages of the block's tiles, one after the other.
  struct Place {
    int across;  // tiles of the same rows
    int tiles;
    int stages;  // of a tile
    int tile;
    int stage = 0;

    __device__ explicit Place(const WideProduct& p) {
      across = (p.matrix.outputs + kOutputs - 1) / kOutputs;
      tiles = across * ((p.rows + kRows - 1) / kRows);
      stages = PackedSteps(p.matrix.inputs) / kSteps;
      tile = static_cast<int>(blockIdx.x);
    }
    __device__ bool IsInside() const { return tile < tiles; }
    __device__ int FirstOutput() const { return tile % across * kOutputs; }
    __device__ int FirstRow() const { return tile / across * kRows; }
    __device__ __forceinline__ void Next() {
      if (++stage < stages) return;
      stage = 0;
      tile += static_cast<int>(gridDim.x);
    }
  };

  // -- Copies into a stage, by one thread.

  static __device__ __forceinline__ void CopyWeights(const StreamMaps& maps, const Shared& shared,
                                                     const Place& place, int slot) {
    Expect(shared.Arrived(slot), kStageBytes);
    CopyTile(shared.Stage(slot), maps.weights, 0, place.stage * kUnits,
             place.FirstOutput() / kTileOutputs, shared.Arrived(slot));
  }
  static __device__ __forceinline__ void CopyRows(const StreamMaps& maps, const Shared& shared,
                                                  const Place& place, int slot) {
    CopyTile(shared.Stage(slot) + kWeightBytes, maps.in, place.stage * (kSteps * kStepInputs),
             place.FirstRow(), shared.Arrived(slot));
  }

  // The first kStages; `next` is then the one after them.
  static __device__ __forceinline__ void CopyFirst(const StreamMaps& maps, const Shared& shared,
                                                   Place& next) {
    if (threadIdx.x == 0) {  // weights do not depend on the grid before
      Place place = next;
      for (int slot = 0; slot < kStages; ++slot, place.Next()) {
        if (place.IsInside()) CopyWeights(maps, shared, place, slot);
      }
    }
    WaitForGridBefore();
    LetNextGridStart();
    for (int slot = 0; slot < kStages; ++slot, next.Next()) {
      if (threadIdx.x == 0 && next.IsInside()) CopyRows(maps, shared, next, slot);
    }
  }

  // The warp will not read the slot's stage any more; the last one has `next` copied there.
  static __device__ __forceinline__ void Leave(const StreamMaps& maps, const Shared& shared,
                                               const Place& next, int slot) {
    if (threadIdx.x % 32 != 0 || !next.IsInside()) return;
    if (atomicAdd(shared.left + slot, 1) % kWarps != kWarps - 1) return;
    CopyWeights(maps, shared, next, slot);
    CopyRows(maps, shared, next, slot);
  }

  // -- Main loop.

  static __device__ __forceinline__ void MultiplyStage(uint32_t stage, Sums& sums) {
    const uint32_t units =
        stage + (threadIdx.x / 32 * kUnits * 32 + threadIdx.x % 32) * 16;  // the lane's first
    uint4 unit;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if (step % kUnitSteps == 0) unit = ReadShared(units + step / kUnitSteps * kUnitBytes);
      uint32_t weights[4];
      WeightUnit<kFormat>::Fragment(unit, step % kUnitSteps, weights);
      BeginProducts();
      WarpgroupProduct<kOperand, kRows>::template Begin<false>(
          sums, weights, ColumnsAt(stage + kWeightBytes + step * (kStepInputs * 2)), /*add=*/true);
      CommitProducts();
      WaitForProducts<0>();
    }
  }

  static __device__ __forceinline__ void Run(const WideProduct& p, const StreamMaps& maps,
                                             std::byte* memory) {
    const Shared shared(memory);
    if (threadIdx.x == 0) {
      for (int slot = 0; slot < kStages; ++slot) {
        InitBarrier(shared.Arrived(slot), 1);
        shared.left[slot] = 0;
      }
      PublishBarriers();
    }
    __syncthreads();
    Place next(p);  // that is copied
    CopyFirst(maps, shared, next);
    const int group = threadIdx.x / (kWarpgroupWarps * 32);
    const Results results(shared.results + group * Results::kBytes, group, maps.out);
    int slot = 0;
    uint32_t phase = 0;
#pragma unroll 1
    for (Place place(p); place.IsInside(); place.tile += static_cast<int>(gridDim.x)) {
      Sums sums = {};
#pragma unroll 1
      for (int s = 0; s < place.stages; ++s, next.Next()) {
        WaitForPhase(shared.Arrived(slot), phase);
        MultiplyStage(shared.Stage(slot), sums);
        Leave(maps, shared, next, slot);
        __syncwarp();
        if (++slot < kStages) continue;
        slot = 0;
        phase ^= 1;
      }
      results.Store(p, sums, place.FirstOutput() + group * kGroupOutputs, place.FirstRow());
    }
    results.Finish();
  }
};

template <WeightFormat kFormat>
__global__ void __launch_bounds__(StreamedKernel<kFormat>::kThreads, 1)
    StreamedProductKernel(const __grid_constant__ WideProduct p,
                          const __grid_constant__ StreamMaps maps) {
  extern __shared__ __align__(1024) std::byte shared[];
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  StreamedKernel<kFormat>::Run(p, maps, shared);
#endif
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_STREAMED_PRODUCT_KERNEL_CUH_
