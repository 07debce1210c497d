#include <algorithm>
#include <cstddef>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/decode_product_float32.h"
#include "engine/cuda/kernels/decode_product_known.h"
#include "engine/cuda/kernels/decode_product_split.h"
#include "engine/cuda/kernels/decode_product_tile.h"
#include "engine/cuda/kernels/decode_product_warpgroup.h"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/product_results.cuh"
#include "engine/cuda/kernels/product_staging.cuh"
#include "engine/cuda/kernels/product_weights.cuh"

namespace strided::cuda {
namespace {

using namespace product;

// Threads of the largest block, and how many of those a multiprocessor is to hold: so that the next
// kernel's blocks, with weights and targets, come before this one's go.
template <Staging kStaging, int kColumnTiles, int kWarpTiles>
struct Bounds {
  static constexpr int kThreads = 32 * kMaxWarps;
  static constexpr int kBlocks = IsOperand(kStaging) && kColumnTiles == 1 ? 2 : 1;
};
template <Staging kStaging>
struct Bounds<kStaging, 2, 4> {
  static constexpr int kThreads = kStaging == Staging::kNormed1024 ? 512 : 256;
  static constexpr int kBlocks = kStaging == Staging::kNormed1024 ? 1 : 2;
};

// The block's tiles of a later layer's matrix.
template <WeightFormat kFormat>
__device__ __forceinline__ void PrefetchNext(const DecodeProduct& p, int log_tiles) {
  const int64_t tile_bytes = int64_t{kTileOutputs} * PackedSteps(p.matrix.inputs) * kStepInputs *
                             WeightTraits<kFormat>::kBytes;
  const int first = static_cast<int>(blockIdx.x) << log_tiles;
  const int tiles = min(1 << log_tiles, PackedTiles(p.matrix.outputs) - first);
  Prefetch(p.next_weights + first * tile_bytes, tiles * tile_bytes);
}

// Stages the inputs of the groups first <= g < last, for the whole block.
template <Operand kOperand, Staging kStaging, int kColumnTiles>
__device__ __forceinline__ void StageGroups(const DecodeProduct& p, const DeviceNorm& norm,
                                            const Columns& columns, int first, int last, int stride,
                                            typename OperandTraits<kOperand>::Type* staged) {
  const int begin = first * kGroupInputs;
  const int end = min(last * kGroupInputs, p.matrix.inputs);
  Stage<kOperand, kStaging, kColumnTiles>(p, norm, columns, begin, end, stride, staged);
  if (end < last * kGroupInputs) {
    StagePadding<kOperand>(columns, end - begin, last * kGroupInputs - begin, stride, staged);
  }
  CommitCopies();
  WaitForCopies<0>();
  __syncthreads();
}

// Grid: (output tiles / tiles of a block, column tiles). Block: `warps` warps share the inputs of
// kWarpTiles tiles of outputs; it has 2^log_tiles in all.
template <WeightFormat kFormat, Operand kOperand, Staging kStaging, int kColumnTiles,
          int kWarpTiles>
__global__ void __launch_bounds__(Bounds<kStaging, kColumnTiles, kWarpTiles>::kThreads,
                                  Bounds<kStaging, kColumnTiles, kWarpTiles>::kBlocks)
    DecodeProductKernel(const __grid_constant__ DecodeProduct p, int warps, int log_tiles) {
  using Type = typename OperandTraits<kOperand>::Type;
  constexpr int kColumns = kColumnTiles * kTileColumns;
  extern __shared__ __align__(16) std::byte shared[];
  if (!p.ends_step) LetNextGridStart();
  const int warp = threadIdx.x / 32 % warps;
  const int slot = threadIdx.x / 32 / warps * kWarpTiles;  // the warp's first tile, of the block's
  const int tile = (blockIdx.x << log_tiles) + slot;
  const int lane = threadIdx.x % 32;
  const int steps = PackedSteps(p.matrix.inputs);
  const int groups = steps / kGroupSteps;
  const int log_outputs = kLogTileOutputs + log_tiles;
  const int first_row = blockIdx.y * kColumns;
  const Columns columns = {first_row, min(kColumns, p.rows - first_row)};
  const SharedLayout layout = LayoutOf(p, warps, 1 << log_tiles, kColumns, sizeof(Type));
  auto* const staged = reinterpret_cast<Type*>(shared);

  constexpr int kInFlight = RoundsOf(kStaging);
  GroupWeights<kFormat> weights[kInFlight][kWarpTiles];
  const auto fetch = [&](int round, int group) {
#pragma unroll
    for (int t = 0; t < kWarpTiles; ++t) {
      weights[round][t].Fetch(p.matrix, tile + t, group, steps, lane);
    }
  };
#pragma unroll
  for (int r = 0; r < kInFlight; ++r) fetch(r, r * warps + warp);
  const Share share = ShareOf(p, log_outputs);
  const bool has_targets = !IsOperand(kStaging) && p.output == ProductOutput::kQueryKeyValue;
  auto* const places = reinterpret_cast<Place*>(shared + layout.places);
  if (has_targets) FindPlaces<kOperand>(p, columns, log_outputs, places);
  constexpr bool kNormIsShared = HoldsRows(kStaging);
  DeviceNorm norm = p.norm;
  if constexpr (kNormIsShared) {
    norm = FetchNorm(norm, p.matrix.inputs, reinterpret_cast<float*>(shared + layout.norm));
  }
  if (p.next_weights != nullptr && blockIdx.y == 0) PrefetchNext<kFormat>(p, log_tiles);
  if (kNormIsShared || has_targets) __syncthreads();
  if (has_targets) {
    FindTargets<kOperand>(p, columns, share, log_outputs, places,
                          reinterpret_cast<Target*>(shared + layout.targets));
  }
  WaitForGridBefore();
  if (p.ends_step) LetNextGridStart();

  if (IsOperand(kStaging) && p.output == ProductOutput::kResidual) {
    FetchResidual(p, columns, share, log_outputs,
                  reinterpret_cast<float*>(shared + layout.residual));
  }
  float sums[kWarpTiles][kColumnTiles][4] = {};
#pragma unroll 1
  for (int first = 0; first < groups; first += kInFlight * warps) {
    const int last = min(first + kInFlight * warps, groups);
    if (first > 0) __syncthreads();
    StageGroups<kOperand, kStaging, kColumnTiles>(p, norm, columns, first, last, layout.stride,
                                                  staged);
#pragma unroll
    for (int r = 0; r < kInFlight; ++r) {
      const int group = first + r * warps + warp;
      if (group >= groups) continue;
      const GroupColumns<kColumnTiles> inputs(staged + (group - first) * kGroupInputs,
                                              layout.stride, lane);
#pragma unroll
      for (int t = 0; t < kWarpTiles; ++t) {
        MultiplyGroup<kFormat, kOperand>(weights[r][t], inputs, sums[t]);
      }
      if constexpr (!HasAllInFlight(kStaging)) fetch(r, group + kInFlight * warps);
    }
    if constexpr (HasAllInFlight(kStaging)) break;
  }
#pragma unroll
  for (int t = 0; t < kWarpTiles; ++t) {
    ShareSums(sums[t], lane,
              reinterpret_cast<float*>(shared + layout.sums +
                                       ((slot + t) * warps + warp) * layout.warp_sums));
  }
  __syncthreads();
  Conclude<kOperand>(p, layout, columns, share, log_outputs, warps, shared);
}

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

template <WeightFormat kFormat, Operand kOperand, Staging kStaging, int kColumnTiles,
          int kWarpTiles = 1>
absl::Status LaunchTile(const DecodeProduct& product, int log_output_tiles, cudaStream_t stream) {
  const int warps = ProductWarps(product.matrix.inputs);
  const int tiles = 1 << log_output_tiles;
  const SharedLayout layout =
      LayoutOf(product, warps, tiles, kColumnTiles * kTileColumns, OperandBytes(kOperand));
  LaunchShape shape;
  shape.grid = dim3(CeilDivide(PackedTiles(product.matrix.outputs), tiles),
                    CeilDivide(product.rows, kColumnTiles * kTileColumns));
  shape.block = dim3(32 * warps * tiles / kWarpTiles);
  shape.shared_bytes = static_cast<size_t>(layout.bytes);
  shape.dependent = true;
  shape.in_decode_step = true;
  return Launch("decode product",
                DecodeProductKernel<kFormat, kOperand, kStaging, kColumnTiles, kWarpTiles>, shape,
                stream, product, warps, log_output_tiles);
}

template <WeightFormat kFormat, Operand kOperand, Staging kStaging>
absl::Status LaunchStaging(const DecodeProduct& product, const ProductTile& tile,
                           cudaStream_t stream) {
  const int outputs = tile.log_output_tiles;
  if constexpr (HoldsRows(kStaging)) {
    if (tile.warp_tiles == 2) {
      return LaunchTile<kFormat, kOperand, kStaging, 2, 2>(product, outputs, stream);
    }
    if (tile.warp_tiles == 4) {
      return LaunchTile<kFormat, kOperand, kStaging, 2, 4>(product, outputs, stream);
    }
  }
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
    case Staging::kOperandOnce:
      return LaunchStaging<kFormat, kOperand, Staging::kOperandOnce>(product, tile, stream);
    case Staging::kOperandTwice:
      return LaunchStaging<kFormat, kOperand, Staging::kOperandTwice>(product, tile, stream);
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
  const bool many_warps = warps > 4;  // which norm 16 rows at once
  if (shape.normed && many_warps && IsHeld(shape.inputs) && shape.rows > kTileColumns) {
    ProductTile wide = {.log_output_tiles = 0, .column_tiles = 2, .warp_tiles = 1};
    const auto count = [&] {
      return CeilDivide(PackedTiles(shape.outputs), wide.warp_tiles) *
             CeilDivide(shape.rows, wide.column_tiles * kTileColumns);
    };
    while (wide.warp_tiles < 4 && count() > multiprocessors) {
      wide.warp_tiles *= 2;
      ++wide.log_output_tiles;
    }
    if (count() <= 2 * multiprocessors) return wide;
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
  ASSIGN_OR_RETURN(const bool takes_warpgroups, TakesWarpgroups(product));
  if (takes_warpgroups) return LaunchProductWarpgroups(product, stream);
  ASSIGN_OR_RETURN(const bool takes_known, TakesKnown(product));
  if (takes_known) return LaunchProductKnown(product, multiprocessors, stream);
  if (TakesTiles(product)) return LaunchProductTiles(product, multiprocessors, stream);
  ASSIGN_OR_RETURN(const bool takes_split, TakesSplit(product));
  if (takes_split) return LaunchProductSplit(product, stream);
  const ProductTile tile = ChooseProductTile({.outputs = product.matrix.outputs,
                                              .inputs = product.matrix.inputs,
                                              .rows = product.rows,
                                              .normed = HoldsRows(StagingOf(product))},
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
