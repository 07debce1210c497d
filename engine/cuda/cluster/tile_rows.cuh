// What tiles of keys have in common, over bfloat16 caches and int8 ones: their rows, and the
// operands that they are multiplied by.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_TILE_ROWS_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_TILE_ROWS_CUH_

#include <cstdint>

#include "engine/cuda/cluster/planned_pair.cuh"
#include "engine/cuda/cluster/product.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::cluster {

// What stands for a key that is not there.
alignas(128) static __device__ const uint4 kZeroRow[16] = {};

// Row `at`; negative: one of zeros. So every load is unconditional: of one that is not, the
// compiler waits for the value at once, to choose between it and zero.
__device__ __forceinline__ const std::byte* RowAt(const std::byte* rows, int at, int row_bytes) {
  return at >= 0 ? rows + static_cast<int64_t>(at) * row_bytes
                 : reinterpret_cast<const std::byte*>(kZeroRow);
}

// 16 bytes through the second-level cache: the rows of earlier steps were written on this
// multiprocessor, but past its own.
__device__ __forceinline__ uint4 ReadCached(const std::byte* from) {
  uint4 value;
  asm volatile("ld.global.cg.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "l"(from)
               : "memory");
  return value;
}

// Of a tile, the key that is the lane's i-th input of the values' product.
__device__ __forceinline__ int KeyOfInput(int i, int lane) {
  return lane % 4 * 2 + i % 2 + i / 2 * 8;
}

// The rows of a tile's keys that a lane reads, of a warp; negative: of a key that is not in the
// cache.
struct TileRows {
  int of_keys[2];    // keys g and g + 8
  int of_values[4];  // KeyOfInput(0 to 3)

  // Keys 16 `tile` and on; the query's own and those past the last are not there. All rows are
  // asked of other lanes before anything is loaded: where a warp may have diverged, ptxas writes
  // all from the first of the shuffles to the last once more for that, and a load in between would
  // be waited for at their end, to be moved to where the other way has it.
  static __device__ __forceinline__ TileRows Of(const PlannedPair& pair, int tile, int lane) {
    constexpr uint32_t kAll = 0xFFFFFFFF;
    const int k = tile * kKeyTile + lane % kKeyTile;
    const int row = k < pair.keys && k != pair.own ? pair.RowOf(k) : -1;
    TileRows rows;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      rows.of_keys[half] = __shfl_sync(kAll, row, lane / 4 + 8 * half);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) rows.of_values[i] = __shfl_sync(kAll, row, KeyOfInput(i, lane));
    return rows;
  }
};

// Four weights of a column of the values' product.
struct WeightColumn {
  uint2 rounded;
  uint2 rest;  // what that leaves

  static __device__ __forceinline__ WeightColumn Of(float4 weights) {
    WeightColumn column;
    column.rounded =
        make_uint2(Bfloat16::Pack(weights.x, weights.y), Bfloat16::Pack(weights.z, weights.w));
    const float2 low = Bfloat16::Unpack(column.rounded.x);
    const float2 high = Bfloat16::Unpack(column.rounded.y);
    column.rest = make_uint2(Bfloat16::Pack(weights.x - low.x, weights.y - low.y),
                             Bfloat16::Pack(weights.z - high.x, weights.w - high.y));
    return column;
  }
  __device__ __forceinline__ uint2 Part(bool of_rest) const { return of_rest ? rest : rounded; }
};

// The query as columns 0 and 1 of B: a bfloat16 vector and what it leaves of the float32 one. A
// lane's eight elements are kLaneBytes further on than its neighbour's, its next kStepBytes.
template <class S, int kLaneBytes, int kStepBytes>
struct QueryColumns {
  static constexpr int kVectors = S::kKey / 32;
  uint4 vectors[kVectors];

  __device__ __forceinline__ QueryColumns(uint32_t pair, int lane) {
    const int column = lane / 4;
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      vectors[v] = make_uint4(0, 0, 0, 0);
      if (column < 2) {
        vectors[v] = Load16(pair + column * (S::kKey * 2) + lane % 4 * kLaneBytes + v * kStepBytes);
      }
    }
  }
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_TILE_ROWS_CUH_
