// A network's matrices in the order in which the blocks of a cluster read them. Host arithmetic.
//
// What is stored is [block][chunk], a block's chunks in the order of a step: of each layer query,
// key and value, output, up, down, then the head; of each of these pass after pass, tile after
// tile, 256 inputs a chunk (StageSize). A chunk is
//   [16 steps][32 lanes][8] bfloat16   weights, as mma.m16n8k16 takes them for A
//   [16] float32                       sums of the rows, over the chunk's inputs
//   [16] float32                       biases, the same in all of a tile's chunks
// Lane 4 g + t of a step has, as (row, input) of tile and step,
//   (g, 4t) (g, 4t+1) (g+8, 4t) (g+8, 4t+1) (g, 4t+2) (g, 4t+3) (g+8, 4t+2) (g+8, 4t+3),
// so that a lane's share of B is four neighbouring inputs. Outputs are padded to whole tiles of all
// blocks, inputs to 256, with zeros.
//
// A layer norm before a matrix is folded into it (product.cuh): its weight multiplies the columns,
// in float32, before they are rounded; its bias goes to the matrix's.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_PACKING_H_
#define STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_PACKING_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/cuda/cluster/cluster_sizes.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"
#include "engine/model/weights.h"

namespace strided::cuda::cluster {

// A matrix in float32 with what its tiles need beside it.
struct FoldedMatrix {
  int outputs = 0;
  int inputs = 0;
  std::vector<float> weights;  // [outputs][inputs]
  std::vector<float> bias;     // [outputs]
};

// Multiplies the matrix's columns by a norm's weight and adds what its bias gives to the matrix's.
// Requires `weight` and `bias` of `inputs`.
void FoldNorm(std::span<const float> weight, std::span<const float> bias, FoldedMatrix& matrix);

// Which of a block's tiles of a product its chunk number `index` is of, and which 256 of the inputs
// it has.
struct ChunkPlace {
  int tile = 0;
  int chunk = 0;

  bool operator==(const ChunkPlace&) const = default;
};
ChunkPlace PlaceOf(const StageSize& size, int index);

// Writes one chunk to `to`, kChunkBytes: outputs first_output to + 15, inputs 256 `chunk` and on.
void PackChunk(const FoldedMatrix& matrix, int first_output, int chunk, std::span<std::byte> to);

// All of it. Weights that `format` would round to int8 are rounded so first. Requires a shape that
// VisitSizes has and that fits the configuration.
std::vector<std::byte> PackForCluster(const ModelConfig& config, const Weights& weights,
                                      WeightFormat format, const Shape& shape);

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_PACKING_H_
