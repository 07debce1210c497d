#include <algorithm>
#include <cstddef>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/block_spread.h"
#include "engine/cuda/kernels/cluster_launch.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/decode_product_known.cuh"
#include "engine/cuda/kernels/decode_product_known.h"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/visit_format.h"

namespace strided::cuda {
namespace {

using namespace known;

constexpr int kFewestRows = 9;  // below, a block of 8 columns reads as little
constexpr int kMostRows = 191;  // above, tiles of more rows read less
constexpr int kWidth = 512;     // of the residual stream
constexpr int kHidden = 4 * kWidth;
constexpr int kMostTiles = 4;
constexpr int kRowsOfLargeClusters = 112;

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

template <class S>
absl::Status LaunchSizes(const DecodeProduct& product, cudaStream_t stream) {
  const int columns = product.matrix.outputs / S::kOutputs;
  const int rows = CeilDivide(product.rows, kRows);
  const dim3 grid(static_cast<unsigned>(columns), static_cast<unsigned>(rows));
  if constexpr (S::kNormed) {
    ASSIGN_OR_RETURN(const CurrentDevice device, CurrentDevice::Find());
    LaunchShape shape;
    shape.grid = grid;
    shape.block = dim3(kThreads);
    shape.shared_bytes = static_cast<size_t>(
        KnownSharedBytes(static_cast<int>(sizeof(typename S::Memory)), columns * rows,
                         device.multiprocessors, device.shared_bytes));
    shape.dependent = true;
    shape.in_decode_step = true;
    return Launch("decode product", KnownProductKernel<S>, shape, stream, product, /*sharing=*/1);
  } else {
    ClusterShape shape;
    // Two such blocks fill a multiprocessor: larger clusters leave gaps where all are needed.
    const int sharing = product.rows <= kRowsOfLargeClusters ? 4 : 2;
    shape.cluster = dim3(static_cast<unsigned>(sharing));
    shape.grid = grid;
    shape.threads = kThreads;
    shape.shared_bytes = sizeof(typename S::Memory);
    shape.spread = product.matrix.inputs == kHidden;  // of 512 the blocks are short
    return LaunchClusters("decode product", KnownProductKernel<S>, shape, stream, product, sharing);
  }
}

template <WeightFormat kFormat, Operand kOperand, ProductOutput kOutput>
absl::Status LaunchNormed(const DecodeProduct& product, int tiles, cudaStream_t stream) {
  switch (tiles) {
    case 1:
      return LaunchSizes<KnownSizes<kFormat, kOperand, kOutput, kWidth, 1>>(product, stream);
    case 2:
      return LaunchSizes<KnownSizes<kFormat, kOperand, kOutput, kWidth, 2>>(product, stream);
    default:
      return LaunchSizes<KnownSizes<kFormat, kOperand, kOutput, kWidth, kMostTiles>>(product,
                                                                                     stream);
  }
}

template <WeightFormat kFormat, Operand kOperand>
absl::Status LaunchFormat(const DecodeProduct& product, int multiprocessors, cudaStream_t stream) {
  const int tiles = ChooseKnownTiles(product.matrix.outputs, product.rows, multiprocessors);
  if (product.output == ProductOutput::kQueryKeyValue) {
    return LaunchNormed<kFormat, kOperand, ProductOutput::kQueryKeyValue>(product, tiles, stream);
  }
  if (product.output == ProductOutput::kActivated) {
    return LaunchNormed<kFormat, kOperand, ProductOutput::kActivated>(product, tiles, stream);
  }
  constexpr ProductOutput kResidual = ProductOutput::kResidual;
  if (product.matrix.inputs == kWidth) {
    return LaunchSizes<KnownSizes<kFormat, kOperand, kResidual, kWidth, 1>>(product, stream);
  }
  return LaunchSizes<KnownSizes<kFormat, kOperand, kResidual, kHidden, 1>>(product, stream);
}

bool HasKnownSizes(const DecodeProduct& p) {
  const bool whole = p.matrix.outputs % (kMostTiles * kTileOutputs) == 0;
  if (!whole || p.rows < kFewestRows || p.rows > kMostRows) return false;
  if (p.output == ProductOutput::kResidual) {
    return p.matrix.inputs == kWidth || p.matrix.inputs == kHidden;
  }
  const bool has_heads =
      p.output == ProductOutput::kQueryKeyValue && p.d_key % 8 == 0 && p.d_value % 8 == 0;
  return p.matrix.inputs == kWidth && (has_heads || p.output == ProductOutput::kActivated);
}

}  // namespace

absl::StatusOr<bool> TakesKnown(const DecodeProduct& p) {
  const bool adds = p.output == ProductOutput::kResidual;
  const bool normed = p.normed && p.norm.weight != nullptr;
  if (p.format == WeightFormat::kFloat32 || p.ends_step || (adds ? p.normed : !normed) ||
      !HasKnownSizes(p)) {
    return false;
  }
  return HasClusters();
}

int ChooseKnownTiles(int outputs, int rows, int multiprocessors) {
  const auto blocks = [&](int tiles) {
    return outputs / (tiles * kTileOutputs) * CeilDivide(rows, kRows);
  };
  int tiles = 1;
  while (tiles < kMostTiles && blocks(tiles) > multiprocessors) tiles *= 2;
  return tiles;
}

int KnownSharedBytes(int used, int blocks, int multiprocessors, int most_bytes) {
  return blocks <= multiprocessors ? std::max(used, BytesOfAtMost(1, most_bytes)) : used;
}

absl::Status LaunchProductKnown(const DecodeProduct& product, int multiprocessors,
                                cudaStream_t stream) {
  return VisitFormat(product.format, [&]<WeightFormat kFormat, Operand kOperand>() {
    return LaunchFormat<kFormat, kOperand>(product, multiprocessors, stream);
  });
}

}  // namespace strided::cuda
