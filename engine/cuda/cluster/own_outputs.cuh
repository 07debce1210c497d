// Which of a pass's outputs a lane finishes: four in a row, of a column and a tile or several
// tiles.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_OWN_OUTPUTS_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_OWN_OUTPUTS_CUH_

#include <cstdint>

#include "engine/cuda/cluster/cluster_sizes.h"

namespace strided::cuda::cluster {

// A lane's place in its team.
struct LaneOf {
  int warp = 0;    // of the team
  int lane = 0;    // of the warp
  int column = 0;  // of the operand, whose
  int quad = 0;    // inputs 4 quad to 4 quad + 3 of a step the lane multiplies

  __device__ explicit LaneOf(int thread)
      : warp(thread / 32), lane(thread % 32), column(lane / 4), quad(lane % 4) {}
};

// The least power of two that is no less than `rows`, as its logarithm.
__device__ __forceinline__ int ColumnsLog(int rows) { return 32 - __clz(rows - 1); }

// Each warp of a team finishes some of the tiles, in turn; a lane has its own column of them, and
// sends them to every block.
template <int kTiles, int kWarps>
struct TilesInTurn {
  static constexpr int kCount = (kTiles + kWarps - 1) / kWarps;  // the last may be nobody's

  int warp = 0;
  int column = 0;
  int quad = 0;  // outputs 4 quad to 4 quad + 3 of each tile
  static constexpr uint32_t block = 0;
  static constexpr uint32_t stride = 1;

  __device__ __forceinline__ explicit TilesInTurn(const LaneOf& at, int /*columns_log*/ = 0)
      : warp(at.warp), column(at.column), quad(at.quad) {}

  __device__ __forceinline__ bool Has(int i) const { return warp + i * kWarps < kTiles; }
  __device__ __forceinline__ int Tile(int i) const { return min(warp + i * kWarps, kTiles - 1); }
};

// All lanes of a team share the outputs evenly: one tile of one column each. The fewer columns
// there are the more lanes finish the same outputs, and the fewer blocks each sends them to: from
// `block` on every `stride`-th, none where that is past the last. One store has up to eight
// destinations.
template <int kTiles, int kWarps>
struct SharedTiles {
  static_assert(kColumns % kTiles == 0, "a warp has whole columns");
  static_assert(kTiles <= kWarps, "there are lanes for every column");
  static constexpr int kCount = 1;
  static constexpr int kPlaces = kColumns / kTiles;  // of a warp: four lanes for a tile and column

  int tile = 0;
  int column = 0;
  int quad = 0;
  uint32_t block = 0;
  uint32_t stride = 1;

  // 2^columns_log: columns that are used.
  __device__ __forceinline__ SharedTiles(const LaneOf& at, int columns_log) {
    const uint32_t place = at.warp * kPlaces + at.column / kTiles;
    tile = at.column % kTiles;
    column = static_cast<int>(place & ((1U << columns_log) - 1));
    quad = at.quad;
    block = place >> columns_log;
    stride = kWarps * kPlaces >> columns_log;
  }

  __device__ __forceinline__ bool Has(int /*i*/) const { return block < kBlocks; }
  __device__ __forceinline__ int Tile(int /*i*/) const { return tile; }
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_OWN_OUTPUTS_CUH_
