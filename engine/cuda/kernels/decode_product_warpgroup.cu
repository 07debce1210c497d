#include <cstddef>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/cluster_launch.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/decode_product_warpgroup.cuh"
#include "engine/cuda/kernels/decode_product_warpgroup.h"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/norm_once.h"
#include "engine/cuda/kernels/tile_map.h"
#include "engine/cuda/kernels/visit_format.h"

namespace strided::cuda {
namespace {

using namespace warpgroup;

constexpr int kWidth = kGroups * kGroupInputs;  // of the residual stream
constexpr int kSplit = 4;
constexpr int kHidden = kSplit * kWidth;
constexpr int kManyRows = 129;
constexpr int kSomeRows = 64;

template <class S>
absl::Status LaunchSizes(const DecodeProduct& product, cudaStream_t stream) {
  ASSIGN_OR_RETURN(const CUtensorMap in, MapRows({.rows = product.in,
                                                  .operand = S::kOperand,
                                                  .columns = S::kInputs,
                                                  .row_count = product.rows,
                                                  .stride = S::kInputs,
                                                  .tile_rows = S::kColumns}));
  const dim3 grid(static_cast<unsigned>(product.matrix.outputs / kOutputs * S::kSplit),
                  static_cast<unsigned>((product.rows + S::kColumns - 1) / S::kColumns));
  constexpr size_t kSharedBytes = sizeof(typename S::Memory);
  if constexpr (S::kSplit == 1) {
    LaunchShape shape;
    shape.grid = grid;
    shape.block = dim3(kThreads);
    shape.shared_bytes = kSharedBytes;
    shape.dependent = true;
    shape.in_decode_step = true;
    return Launch("decode product", WarpgroupProductKernel<S>, shape, stream, product, in);
  } else {
    ClusterShape shape;
    shape.cluster = dim3(S::kSplit);
    shape.grid = grid;
    shape.threads = kThreads;
    shape.shared_bytes = kSharedBytes;
    return LaunchClusters("decode product", WarpgroupProductKernel<S>, shape, stream, product, in);
  }
}

template <WeightFormat kFormat, Operand kOperand>
absl::Status LaunchFormat(const DecodeProduct& product, cudaStream_t stream) {
  const auto launch = [&]<ProductOutput kOutput, int kSplitOf, int kColumns>() {
    return LaunchSizes<WarpgroupSizes<kFormat, kOperand, kOutput, kSplitOf, kColumns>>(product,
                                                                                       stream);
  };
  if (product.output == ProductOutput::kQueryKeyValue) {
    return launch.template operator()<ProductOutput::kQueryKeyValue, 1, kManyColumns>();
  }
  if (product.output == ProductOutput::kActivated) {
    return launch.template operator()<ProductOutput::kActivated, 1, kManyColumns>();
  }
  if (product.matrix.inputs == kWidth) {
    return launch.template operator()<ProductOutput::kResidual, 1, kFewColumns>();
  }
  if (ChooseWarpgroupColumns(product.output, kHidden, product.rows) == kSomeColumns) {
    return launch.template operator()<ProductOutput::kResidual, kSplit, kSomeColumns>();
  }
  return launch.template operator()<ProductOutput::kResidual, kSplit, kManyColumns>();
}

bool HasSizes(const DecodeProduct& p) {
  const int inputs = p.matrix.inputs;
  if (p.output == ProductOutput::kResidual) {
    return !p.normed && (inputs == kWidth || inputs == kHidden);
  }
  const bool has_heads =
      p.output == ProductOutput::kQueryKeyValue && p.d_key % kHalf == 0 && p.d_value % kHalf == 0;
  return inputs == kWidth && (has_heads || p.output == ProductOutput::kActivated);
}

}  // namespace

int FewestWarpgroupRows(int inputs) { return inputs == kHidden ? kSomeRows : kManyRows; }

int ChooseWarpgroupColumns(ProductOutput output, int inputs, int rows) {
  if (inputs == kHidden) return rows < kManyRows ? kSomeColumns : kManyColumns;
  return output == ProductOutput::kResidual ? kFewColumns : kManyColumns;
}

absl::StatusOr<bool> TakesWarpgroups(const DecodeProduct& p) {
  if (p.format == WeightFormat::kFloat32 || p.ends_step || !HasSizes(p) ||
      p.matrix.outputs % kOutputs != 0 || p.rows < FewestWarpgroupRows(p.matrix.inputs) ||
      (p.normed && p.normed_rows == nullptr)) {
    return false;
  }
  ASSIGN_OR_RETURN(const CurrentDevice device, CurrentDevice::Find());
  return device.has_warpgroups;
}

absl::Status LaunchProductWarpgroups(const DecodeProduct& product, cudaStream_t stream) {
  ASSIGN_OR_RETURN(const DecodeProduct of_normed, NormOnce(product, stream));
  return VisitFormat(product.format, [&]<WeightFormat kFormat, Operand kOperand>() {
    return LaunchFormat<kFormat, kOperand>(of_normed, stream);
  });
}

}  // namespace strided::cuda
