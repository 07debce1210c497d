// A matrix times the activations of a decode step: one column per sequence.
//
// Sums have one order at every batch size. Inputs are cut into groups of 64; warp w of a block adds
// up the groups w, w + W, w + 2W, ... with W = ProductWarps(inputs), one mma.m16n8k16 after the
// other, and the block then adds its warps' sums in the order of the warps. How many outputs and
// columns a block takes (ProductTile) does not enter. Other kernels take the same sums in the same
// order: one of tiles at many rows (decode_product_tile.cuh), two of known sizes
// (decode_product_known.cuh; at many rows decode_product_warpgroup.cuh), one of clusters for what
// has many inputs (decode_product_split.cuh).
//
// Bound by reading the matrix once per column tile: at few rows by the latency of a launch and of
// one read of the activations.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_H_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"

namespace strided::cuda {

// Where sums go, after scale and bias.
enum class ProductOutput {
  // Queries to `out`, keys and values to the caches at the rows' positions. Of normed inputs.
  kQueryKeyValue,
  kResidual,   // added to `hidden`; not of normed inputs
  kActivated,  // f of them, in the operand's type, to `out`
  kLogits,     // float32 to `out`
};

// One product of a step. Pointers are into device memory; rows are the step's.
struct DecodeProduct {
  WeightFormat format = WeightFormat::kBfloat16;
  DeviceMatrix matrix;
  int rows = 0;  // columns of the product

  // Input. With `normed`: layer norm of `hidden` [rows][inputs] float32 (as it is where norm.weight
  // is null). Otherwise `in` [rows][inputs] in the operand's type.
  bool normed = false;
  DeviceNorm norm;
  const std::byte* in = nullptr;
  // [rows][inputs] in the operand's type: where many rows are normed once, for all blocks. Null:
  // each block norms its own columns.
  std::byte* normed_rows = nullptr;

  ProductOutput output = ProductOutput::kLogits;
  float* hidden = nullptr;  // [rows][d_model] the residual stream
  // kQueryKeyValue: queries [rows][n_head][d_key] float32; kActivated: [rows][outputs] operand;
  // kLogits: [rows][outputs] float32.
  std::byte* out = nullptr;
  // kQueryKeyValue: where keys and values go instead of the caches, [rows][n_head][d_key + d_value]
  // operand; null: to the caches.
  std::byte* fresh = nullptr;
  Activation activation = Activation::kQuickGelu;

  // The next kernel may start only when the one before this one has ended: so that kernels of at
  // most one step are under way, and what earlier steps have written may be read before a wait
  // (row_states here; keys and values in attention).
  bool ends_step = false;

  // kQueryKeyValue alone.
  const DecodeRow* row_states = nullptr;      // [rows]
  const DeviceSequence* sequences = nullptr;  // by slot
  const HeadRows* heads = nullptr;            // [n_head], this layer's
  int first_head = 0;                         // layer * n_head: index into head_offsets
  int n_head = 0;
  int d_key = 0;
  int d_value = 0;

  // A matrix of this one's size and packing that a later kernel reads; null: none. It is fetched
  // into the second-level cache meanwhile.
  const std::byte* next_weights = nullptr;
};

struct ProductShape {
  int outputs = 0;
  int inputs = 0;
  int rows = 0;
  bool normed = false;  // by rows that a warp holds
};

// How much one block takes.
struct ProductTile {
  int log_output_tiles = 0;  // 2^it tiles of 16 outputs
  int column_tiles = 1;      // of 8 columns
  int warp_tiles = 1;        // of outputs, to a warp
  friend bool operator==(const ProductTile&, const ProductTile&) = default;
};

// At most two blocks to a multiprocessor where that can be: first by more columns, then, as far as
// a block's threads allow, by more outputs. A block norms its columns anew, so norms of many
// columns weigh more than idle multiprocessors: one block to each. Of more than 8 rows that a warp
// can hold, and of more than 256 inputs, a block takes 16, and up to four tiles of outputs to a
// warp: weights are read before the wait, rows behind it, and two such blocks share a
// multiprocessor. Pure.
ProductTile ChooseProductTile(const ProductShape& shape, int multiprocessors);

// W: the warps that share the inputs of a tile of outputs, by inputs alone.
int ProductWarps(int inputs);

// One kernel, or a norm's and the product's, each dependent on the one before it in `stream`.
absl::Status LaunchDecodeProduct(const DecodeProduct& product, int multiprocessors,
                                 cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_H_
