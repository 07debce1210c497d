#include <algorithm>
#include <cstddef>

#include "engine/cuda/kernels/decode_product_float32.h"
#include "engine/cuda/kernels/decode_product_tile.h"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/product_results.cuh"
#include "engine/cuda/kernels/product_staging.cuh"
#include "engine/cuda/kernels/product_weights.cuh"

namespace strided::cuda {
namespace {

using namespace product;

// Grid: (output tiles / tiles of a block, column tiles). Block: `warps` warps share the inputs of a
// tile of outputs, of which it has 2^log_tiles.
template <WeightFormat kFormat, Operand kOperand, Staging kStaging, int kColumnTiles>
__global__ void __launch_bounds__(32 * kMaxWarps)
    DecodeProductKernel(const __grid_constant__ DecodeProduct p, int warps, int log_tiles) {
  using Type = typename OperandTraits<kOperand>::Type;
  constexpr int kColumns = kColumnTiles * kTileColumns;
  extern __shared__ __align__(16) std::byte shared[];
  if (!p.ends_step) LetNextGridStart();
  const int warp = threadIdx.x / 32 % warps;
  const int tile = (blockIdx.x << log_tiles) + threadIdx.x / 32 / warps;
  const int lane = threadIdx.x % 32;
  const int steps = PackedSteps(p.matrix.inputs);
  const int groups = steps / kGroupSteps;
  const int log_outputs = kLogTileOutputs + log_tiles;
  const int first_row = blockIdx.y * kColumns;
  const Columns columns = {first_row, min(kColumns, p.rows - first_row)};
  const SharedLayout layout = LayoutOf(p, warps, 1 << log_tiles, kColumns, sizeof(Type));
  auto* const staged = reinterpret_cast<Type*>(shared);

  GroupWeights<kFormat> weights[kRounds];
#pragma unroll
  for (int r = 0; r < kRounds; ++r) {
    weights[r].Fetch(p.matrix, tile, r * warps + warp, steps, lane);
  }
  const Share share = ShareOf(p, log_outputs);
  if (kStaging != Staging::kOperand && p.output == ProductOutput::kQueryKeyValue) {
    FindTargets<kOperand>(p, columns, share, log_outputs,
                          reinterpret_cast<Target*>(shared + layout.targets));
  }
  constexpr bool kNormIsShared = kStaging != Staging::kOperand && kStaging != Staging::kNormedAny;
  DeviceNorm norm = p.norm;
  if constexpr (kNormIsShared) {
    norm = FetchNorm(norm, p.matrix.inputs, reinterpret_cast<float*>(shared + layout.norm));
  }
  if (p.next_weights != nullptr && blockIdx.y == 0) {
    const int64_t tile_bytes =
        int64_t{kTileOutputs} * steps * kStepInputs * WeightTraits<kFormat>::kBytes;
    const int block_tiles = min(1 << log_tiles, PackedTiles(p.matrix.outputs) -
                                                    (static_cast<int>(blockIdx.x) << log_tiles));
    Prefetch(p.next_weights + (static_cast<int64_t>(blockIdx.x) << log_tiles) * tile_bytes,
             block_tiles * tile_bytes);
  }
  if constexpr (kNormIsShared) __syncthreads();
  WaitForGridBefore();
  if (p.ends_step) LetNextGridStart();

  if (kStaging == Staging::kOperand && p.output == ProductOutput::kResidual) {
    FetchResidual(p, columns, share, log_outputs,
                  reinterpret_cast<float*>(shared + layout.residual));
  }
  float sums[kColumnTiles][4] = {};
#pragma unroll 1
  for (int first = 0; first < groups; first += kRounds * warps) {
    const int last = min(first + kRounds * warps, groups);
    const int begin = first * kGroupInputs;
    const int end = min(last * kGroupInputs, p.matrix.inputs);
    if (first > 0) __syncthreads();
    Stage<kOperand, kStaging, kColumnTiles>(p, norm, columns, begin, end, layout.stride, staged);
    if (end < last * kGroupInputs) {
      StagePadding<kOperand>(columns, end - begin, last * kGroupInputs - begin, layout.stride,
                             staged);
    }
    CommitCopies();
    WaitForCopies<0>();
    __syncthreads();
#pragma unroll
    for (int r = 0; r < kRounds; ++r) {
      const int group = first + r * warps + warp;
      if (group >= groups) continue;
      MultiplyGroup<kFormat, kOperand>(weights[r], staged + (group - first) * kGroupInputs,
                                       layout.stride, columns.count, lane, sums);
      weights[r].Fetch(p.matrix, tile, group + kRounds * warps, steps, lane);
    }
  }
  ShareSums(sums, lane,
            reinterpret_cast<float*>(shared + layout.sums + threadIdx.x / 32 * layout.warp_sums));
  __syncthreads();
  Conclude<kOperand>(p, layout, columns, share, log_outputs, warps, shared);
}

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

template <WeightFormat kFormat, Operand kOperand, Staging kStaging, int kColumnTiles>
absl::Status LaunchTile(const DecodeProduct& product, int log_output_tiles, cudaStream_t stream) {
  const int warps = ProductWarps(product.matrix.inputs);
  const int tiles = 1 << log_output_tiles;
  const SharedLayout layout =
      LayoutOf(product, warps, tiles, kColumnTiles * kTileColumns, OperandBytes(kOperand));
  LaunchShape shape;
  shape.grid = dim3(CeilDivide(PackedTiles(product.matrix.outputs), tiles),
                    CeilDivide(product.rows, kColumnTiles * kTileColumns));
  shape.block = dim3(32 * warps * tiles);
  shape.shared_bytes = static_cast<size_t>(layout.bytes);
  shape.dependent = true;
  shape.in_decode_step = true;
  return Launch("decode product", DecodeProductKernel<kFormat, kOperand, kStaging, kColumnTiles>,
                shape, stream, product, warps, log_output_tiles);
}

template <WeightFormat kFormat, Operand kOperand, Staging kStaging>
absl::Status LaunchStaging(const DecodeProduct& product, const ProductTile& tile,
                           cudaStream_t stream) {
  const int outputs = tile.log_output_tiles;
  switch (tile.column_tiles) {
    case 1:
      return LaunchTile<kFormat, kOperand, kStaging, 1>(product, outputs, stream);
    case 2:
      return LaunchTile<kFormat, kOperand, kStaging, 2>(product, outputs, stream);
    default:
      return LaunchTile<kFormat, kOperand, kStaging, 4>(product, outputs, stream);
  }
}

template <WeightFormat kFormat, Operand kOperand>
absl::Status LaunchFormat(const DecodeProduct& product, const ProductTile& tile,
                          cudaStream_t stream) {
  switch (StagingOf(product)) {
    case Staging::kOperand:
      return LaunchStaging<kFormat, kOperand, Staging::kOperand>(product, tile, stream);
    case Staging::kNormed256:
      return LaunchStaging<kFormat, kOperand, Staging::kNormed256>(product, tile, stream);
    case Staging::kNormed512:
      return LaunchStaging<kFormat, kOperand, Staging::kNormed512>(product, tile, stream);
    case Staging::kNormed1024:
      return LaunchStaging<kFormat, kOperand, Staging::kNormed1024>(product, tile, stream);
    case Staging::kNormedAny:
      return LaunchStaging<kFormat, kOperand, Staging::kNormedAny>(product, tile, stream);
  }
  return absl::InternalError("no such staging");
}

}  // namespace

ProductTile ChooseProductTile(const ProductShape& shape, int multiprocessors) {
  const int warps = ProductWarps(shape.inputs);
  ProductTile tile;
  const auto blocks = [&] {
    return CeilDivide(PackedTiles(shape.outputs), 1 << tile.log_output_tiles) *
           CeilDivide(shape.rows, tile.column_tiles * kTileColumns);
  };
  while (tile.column_tiles < 4 && tile.column_tiles * kTileColumns < shape.rows &&
         blocks() > 2 * multiprocessors) {
    tile.column_tiles *= 2;
  }
  const int enough = shape.normed && tile.column_tiles == 4 ? multiprocessors : 2 * multiprocessors;
  while (tile.log_output_tiles < 2 && warps << (tile.log_output_tiles + 1) <= kMaxWarps &&
         blocks() > enough) {
    ++tile.log_output_tiles;
  }
  return tile;
}

int ProductWarps(int inputs) { return std::min(kMaxWarps, PackedSteps(inputs) / kGroupSteps); }

absl::Status LaunchDecodeProduct(const DecodeProduct& product, int multiprocessors,
                                 cudaStream_t stream) {
  if (TakesTiles(product)) return LaunchProductTiles(product, multiprocessors, stream);
  const ProductTile tile = ChooseProductTile({.outputs = product.matrix.outputs,
                                              .inputs = product.matrix.inputs,
                                              .rows = product.rows,
                                              .normed = product.normed},
                                             multiprocessors);
  switch (product.format) {
    case WeightFormat::kFloat32:
      return LaunchDecodeProductFloat32(product, stream);
    case WeightFormat::kFloat16:
      return LaunchFormat<WeightFormat::kFloat16, Operand::kFloat16>(product, tile, stream);
    case WeightFormat::kBfloat16:
      return LaunchFormat<WeightFormat::kBfloat16, Operand::kBfloat16>(product, tile, stream);
    case WeightFormat::kInt8:
      return LaunchFormat<WeightFormat::kInt8, Operand::kBfloat16>(product, tile, stream);
    case WeightFormat::kFloat8:
      return LaunchFormat<WeightFormat::kFloat8, Operand::kBfloat16>(product, tile, stream);
  }
  return absl::InternalError("no product for this weight format");
}

}  // namespace strided::cuda
