// What the kernels of heads are given.

#ifndef STRIDED_ENGINE_CUDA_GRID_GRID_ARGUMENTS_H_
#define STRIDED_ENGINE_CUDA_GRID_GRID_ARGUMENTS_H_

#include <cstdint>

#include "engine/cuda/grid/grid_sizes.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/model/config.h"

namespace strided::cuda::grid {

// Four bytes and what says that they have come, written at once: no fence, no flag.
struct Cell {
  uint32_t content = 0;
  uint32_t tag = 0;  // the layer's, never the same within 2^32 layers
};

// Of the cells of several rows (rows_cells.cuh): the word of those that nothing has come to, and
// how many layers take turns.
inline constexpr uint32_t kEmptyWord = 0xFFFFFFFFu;
inline constexpr int kRowTurns = 4;

// Cells of a layer, of one row: [d_model] sums of out over the inputs of each group, float32, and
// of down of each warp.
template <class S>
constexpr int CellsOfLayer(S /*sizes*/) {
  return (S::kModelGroups + S::kDownWarps) * S::kModel;
}

// One decode step's layers. Pointers are into device memory.
struct GridArguments {
  const DeviceLayer* layers = nullptr;  // [n_layer]
  const HeadRows* heads = nullptr;      // [n_layer][n_head]
  const DeviceSequence* sequences = nullptr;
  const DecodeRow* row_states = nullptr;  // [rows]
  float* hidden = nullptr;                // [rows][d_model]: before the first layer, after the last
  DeviceTables tables;
  int n_layer = 0;
  int n_head = 0;
  int rows = 0;            // up to kMostRows
  int chunks = 1;          // at least those of every query of every layer, up to kMostChunks
  float scale = 1;         // of the products of queries and keys
  float norm_epsilon = 0;  // of the layers' norms, as in DeviceNorm
  float norm_mean_share = 1;
  Activation activation = Activation::kQuickGelu;
  Cell* cells = nullptr;     // CellsOf (grid_choice.h)
  uint32_t* tags = nullptr;  // [blocks] of the last layer so far; alike
  int32_t* error = nullptr;  // set to ErrorWordOf where a wait has been given up
};

// Which warp of which block gave up; never 0.
inline constexpr int kErrorWarps = 32;
constexpr int32_t ErrorWordOf(int block, int warp) { return 1 + block * kErrorWarps + warp; }

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_GRID_ARGUMENTS_H_
