// Cells of the kernel of heads for several rows: sums of four outputs, without a tag.
//
// A cell that nothing has come to holds kEmpty in each of its words, which no sum is: the NaN that
// products give is another one. So every word says for itself whether it has come, and cells take
// half of what tagged ones would of the second-level cache's time. Layers take kRowTurns turns: in
// each a block empties the cells that it sent two layers before (cells.cuh says why they have been
// read by then), for the layer after the next. That is the fetching warp's: a fence stands between
// it and what the block sends in the next layer, which whoever looks for the layer after it has
// seen. By those who send, between their sums and their next wait, it is in the way of both.

#ifndef STRIDED_ENGINE_CUDA_GRID_ROWS_CELLS_CUH_
#define STRIDED_ENGINE_CUDA_GRID_ROWS_CELLS_CUH_

#include <cstdint>

#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/heads_sizes.h"

namespace strided::cuda::grid {

// What a lane has of a product's sums: outputs o and o + 8 of its tile, each of two rows.
struct Quad {
  uint32_t words[4];

  __device__ __forceinline__ bool HasCome() const {
    return words[0] != kEmptyWord && words[1] != kEmptyWord && words[2] != kEmptyWord &&
           words[3] != kEmptyWord;
  }
  __device__ __forceinline__ float operator[](int i) const { return __uint_as_float(words[i]); }
};

__device__ __forceinline__ void Store(Quad* to, const uint32_t (&words)[4]) {
  asm volatile("st.relaxed.gpu.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(words[0]),
               "r"(words[1]), "r"(words[2]), "r"(words[3])
               : "memory");
}
__device__ __forceinline__ void Send(Quad* to, const float (&sums)[4]) {
  Store(to, {__float_as_uint(sums[0]), __float_as_uint(sums[1]), __float_as_uint(sums[2]),
             __float_as_uint(sums[3])});
}
__device__ __forceinline__ void Empty(Quad* at) {
  Store(at, {kEmptyWord, kEmptyWord, kEmptyWord, kEmptyWord});
}
// The quad kAhead quads behind `at`: with one address in registers for all that a thread looks at.
template <int kAhead>
__device__ __forceinline__ void Look(const Quad* at, Quad& quad) {
  asm volatile("ld.relaxed.gpu.global.v4.b32 {%0, %1, %2, %3}, [%4 + %5];"
               : "=r"(quad.words[0]), "=r"(quad.words[1]), "=r"(quad.words[2]), "=r"(quad.words[3])
               : "l"(at), "n"(kAhead * static_cast<int>(sizeof(Quad)))
               : "memory");
}

// All cells of a layer's turn: [kOut + kDown][tile][output][pair of rows].
template <class S, int kRows>
struct RowCells {
  static constexpr int kPairs = kRows / 2;
  static constexpr int kSums = S::kModel / 2 * kPairs;  // quads of a product's sums
  Quad* first;

  // `layer`: of all layers so far.
  __device__ __forceinline__ RowCells(const GridArguments& a, uint32_t layer)
      : first(reinterpret_cast<Quad*>(a.cells) +
              layer % kRowTurns * (HeadsSizes<S>::kClusters + S::kDownWarps) * kSums) {}

  // Of an output's place in its tile, 0 to 7.
  static __device__ __forceinline__ int At(int tile, int output, int pair) {
    return (tile * 8 + output) * kPairs + pair;
  }
  // What block `rank` of a cluster sends, emptied by a warp.
  __device__ __forceinline__ void Empty(int cluster, int rank, int lane) const {
    using H = HeadsSizes<S>;
    constexpr int kQuads = H::kOutTiles * 8 * kPairs;  // of its tiles
    const int first = At(rank * H::kOutTiles, 0, 0);
#pragma unroll 1
    for (int i = lane; i < kQuads; i += 32) {
      grid::Empty(Out(cluster) + first + i);
#pragma unroll
      for (int part = 0; part < H::kDownParts; ++part) {
        grid::Empty(Down(cluster * H::kDownParts + part) + first + i);
      }
    }
  }
  // Sums of out over a cluster's inputs, and those of down of one of its warps.
  __device__ __forceinline__ Quad* Out(int cluster) const { return first + cluster * kSums; }
  __device__ __forceinline__ Quad* Down(int warp) const {
    return Out(HeadsSizes<S>::kClusters) + warp * kSums;
  }
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_ROWS_CELLS_CUH_
