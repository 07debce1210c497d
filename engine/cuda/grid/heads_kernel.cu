#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/grid/heads_kernel.cuh"
#include "engine/cuda/grid/heads_kernel.h"
#include "engine/cuda/grid/rows_kernel.h"
#include "engine/cuda/kernels/cluster_launch.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/visit_format.h"

namespace strided::cuda::grid {
namespace {

template <class S>
HeadsLaunch OneRowOf(WeightFormat format) {
  return VisitFormat(format, [&]<WeightFormat kFormat, Operand kOperand>() {
    return HeadsLaunch::Of(HeadsKernel<S, kFormat, kOperand>,
                           sizeof(HeadsMemory<S, kFormat, kOperand>));
  });
}

// Its kernel null where the shape has none.
HeadsLaunch LaunchOf(const Widths& widths, WeightFormat format, int rows) {
  if (rows > 1) return RowsLaunchOf(widths, format, rows);
  HeadsLaunch launch;
  VisitSizes([&](auto sizes) {
    if (decltype(sizes)::kWidths != widths) return false;
    launch = OneRowOf<decltype(sizes)>(format);
    return true;
  });
  return launch;
}

// Whether the current device runs its blocks all at once.
absl::StatusOr<bool> Runs(const HeadsLaunch& launch) {
  if (launch.kernel == nullptr) return false;
  ASSIGN_OR_RETURN(const bool has_clusters, HasClusters());
  if (!has_clusters) return false;
  ASSIGN_OR_RETURN(const CurrentDevice device, CurrentDevice::Find());
  if (static_cast<int>(launch.shape.shared_bytes) > device.shared_bytes) return false;
  ASSIGN_OR_RETURN(const int clusters, ClustersAtOnce("heads step", launch.kernel, launch.shape));
  return clusters * kClusterBlocks >= static_cast<int>(launch.shape.grid.x);
}

}  // namespace

absl::StatusOr<bool> RunsHeads(const Widths& widths, WeightFormat format) {
  for (const int rows : {1, 2, 4, kMostRows}) {
    ASSIGN_OR_RETURN(const bool runs, Runs(LaunchOf(widths, format, rows)));
    if (!runs) return false;
  }
  return true;
}

absl::Status LaunchHeads(const Widths& widths, WeightFormat format, const GridArguments& arguments,
                         cudaStream_t stream) {
  const HeadsLaunch heads = LaunchOf(widths, format, arguments.rows);
  if (heads.kernel == nullptr) return absl::InternalError("no kernel of heads for this shape");
  RETURN_IF_ERROR(PrepareCluster("heads step", heads.kernel, heads.shape));
  ClusterLaunch launch(heads.shape, stream);
  launch.attributes[1].id = cudaLaunchAttributeCooperative;
  launch.attributes[1].val = {};
  launch.attributes[1].val.cooperative = 1;
  return CudaError(cudaLaunchKernelEx(&launch.config, heads.kernel, arguments), "heads step");
}

absl::Status StatusOfErrorWord(int32_t word) {
  if (word == 0) return absl::OkStatus();
  const int32_t warp = word - ErrorWordOf(0, 0);
  return absl::InternalError(absl::StrCat("grid step: warp ", warp % kErrorWarps, " of block ",
                                          warp / kErrorWarps, " has waited in vain"));
}

}  // namespace strided::cuda::grid
