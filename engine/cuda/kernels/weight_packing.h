// Matrices in the order in which the tensor cores take them. Host arithmetic only.
//
// A product keeps 16 outputs (rows of the matrix) as the A operand of mma.m16n8k16 (PTX ISA,
// "Matrix Fragments for mma.m16n8k16"); the sequences are the columns. Per tile of 16 outputs and
// step of 16 inputs, each of a warp's 32 lanes holds 8 elements; lane 4 g + t has, in this order,
//   (g, 2t) (g, 2t+1) (g+8, 2t) (g+8, 2t+1) (g, 2t+8) (g, 2t+9) (g+8, 2t+8) (g+8, 2t+9)
// as (row, column) of the tile. What is stored is [tile][step][lane][8] for 16-bit formats and
// [tile][step / 2][lane][2][8] for 8-bit ones, so that a lane reads 16 bytes at a time and a warp
// 512 contiguous ones. Float32 is not for tensor cores: it is stored row by row,
// [16 tiles][16 steps]. Outputs are padded to whole tiles and inputs to kStepQuantum steps, with
// zeros.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_WEIGHT_PACKING_H_
#define STRIDED_ENGINE_CUDA_KERNELS_WEIGHT_PACKING_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/model/tensor.h"
#include "engine/model/weight_format.h"

namespace strided::cuda {

inline constexpr int kTileOutputs = 16;
inline constexpr int kStepInputs = 16;
inline constexpr int kStepQuantum = 4;  // steps of a matrix are a multiple of it

constexpr int PackedTiles(int outputs) { return (outputs + kTileOutputs - 1) / kTileOutputs; }
constexpr int PackedSteps(int inputs) {
  constexpr int kInputs = kStepInputs * kStepQuantum;
  return (inputs + kInputs - 1) / kInputs * kStepQuantum;
}

// Bytes of a packed matrix; a multiple of 16.
int64_t PackedBytes(int outputs, int inputs, WeightFormat format);

struct PackedWeights {
  std::vector<std::byte> bytes;  // PackedBytes
  std::vector<float> scales;     // [outputs] int8 and float8; else empty
};

// One matrix of `outputs` rows, gathered from parts that stand one below the other in the given
// order; row r is parts[r.part] row r.row.
struct SourceRow {
  const Tensor* part = nullptr;  // [rows, inputs]
  int row = 0;
};

// float32 and 16-bit formats round to nearest. int8 takes over stored int8 rows as they are, others
// get the scale largest / 127; float8 (e4m3) the scale largest / 448. A row of zeros has scale 0.
PackedWeights PackRows(std::span<const SourceRow> rows, int inputs, WeightFormat format);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_WEIGHT_PACKING_H_
