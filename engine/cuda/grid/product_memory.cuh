// Teams of a block's warps, which share a tile of outputs, and how it comes of their sums.

#ifndef STRIDED_ENGINE_CUDA_GRID_PRODUCT_MEMORY_CUH_
#define STRIDED_ENGINE_CUDA_GRID_PRODUCT_MEMORY_CUH_

#include <cstdint>

#include "engine/cuda/grid/grid_sizes.h"
#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/product_weights.cuh"

namespace strided::cuda::grid {

inline constexpr int kFirstTeamBarrier = 1;  // 0 is the block's

// A team of kTeamWarps of the block's warps, which share the inputs of one tile of outputs. A
// warp's sums are those of one warp of decode_product.h; a thread of the first ones finishes one
// output of one row.
template <int kTeamWarps>
struct Team {
  int warp;  // of the block's
  int lane;
  int index;   // of the block's teams
  int member;  // of the team's warps
  int within;  // the thread's output of the tile

  __device__ __forceinline__ explicit Team(int thread)
      : warp(thread / 32),
        lane(thread % 32),
        index(warp / kTeamWarps),
        member(warp % kTeamWarps),
        within(thread % kTileOutputs) {}

  __device__ __forceinline__ void Sync() const {
    SyncThreads(kFirstTeamBarrier + index, 32 * kTeamWarps);
  }
};

// What an output's sum becomes: fmaf(sum, scale, bias).
struct OutputScale {
  float scale = 1;
  float bias = 0;

  __device__ __forceinline__ void Fetch(const DeviceMatrix& matrix, int output) {
    if (matrix.scales != nullptr) scale = __ldg(matrix.scales + output);
    if (matrix.bias != nullptr) bias = __ldg(matrix.bias + output);
  }
  __device__ __forceinline__ float Of(float sum) const { return fmaf(sum, scale, bias); }
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_PRODUCT_MEMORY_CUH_
