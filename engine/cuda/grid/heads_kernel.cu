#include "engine/base/status_macros.h"
#include "engine/cuda/grid/heads_kernel.cuh"
#include "engine/cuda/grid/heads_kernel.h"
#include "engine/cuda/kernels/cluster_launch.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/visit_format.h"

namespace strided::cuda::grid {
namespace {

using Kernel = void (*)(GridArguments);

struct CompiledKernel {
  Kernel kernel = nullptr;
  ClusterShape shape;
};

template <class S>
CompiledKernel KernelOf(WeightFormat format) {
  return VisitFormat(format, [&]<WeightFormat kFormat, Operand kOperand>() {
    CompiledKernel compiled;
    compiled.kernel = HeadsKernel<S, kFormat, kOperand>;
    compiled.shape.cluster = dim3(kClusterBlocks);
    compiled.shape.grid = dim3(HeadsSizes<S>::kBlocks);
    compiled.shape.threads = kHeadsThreads;
    compiled.shape.shared_bytes = sizeof(HeadsMemory<S, kFormat, kOperand>);
    return compiled;
  });
}

// Its kernel null where the shape has none.
CompiledKernel KernelOf(const Widths& widths, WeightFormat format) {
  CompiledKernel compiled;
  VisitSizes([&](auto sizes) {
    if constexpr (HasHeads(decltype(sizes)())) {
      if (decltype(sizes)::kWidths != widths) return false;
      compiled = KernelOf<decltype(sizes)>(format);
      return true;
    }
    return false;
  });
  return compiled;
}

}  // namespace

absl::StatusOr<bool> RunsHeads(const Widths& widths, WeightFormat format) {
  const CompiledKernel compiled = KernelOf(widths, format);
  if (compiled.kernel == nullptr) return false;
  ASSIGN_OR_RETURN(const bool has_clusters, HasClusters());
  if (!has_clusters) return false;
  ASSIGN_OR_RETURN(const CurrentDevice device, CurrentDevice::Find());
  if (static_cast<int>(compiled.shape.shared_bytes) > device.shared_bytes) return false;
  ASSIGN_OR_RETURN(const int clusters,
                   ClustersAtOnce("heads step", compiled.kernel, compiled.shape));
  return clusters * kClusterBlocks >= static_cast<int>(compiled.shape.grid.x);
}

absl::Status LaunchHeads(const Widths& widths, WeightFormat format, const GridArguments& arguments,
                         cudaStream_t stream) {
  const CompiledKernel compiled = KernelOf(widths, format);
  if (compiled.kernel == nullptr) return absl::InternalError("no kernel of heads for this shape");
  RETURN_IF_ERROR(PrepareCluster("heads step", compiled.kernel, compiled.shape));
  ClusterLaunch launch(compiled.shape, stream);
  launch.attributes[1].id = cudaLaunchAttributeCooperative;
  launch.attributes[1].val = {};
  launch.attributes[1].val.cooperative = 1;
  return CudaError(cudaLaunchKernelEx(&launch.config, compiled.kernel, arguments), "heads step");
}

}  // namespace strided::cuda::grid
