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
    compiled.shape.grid = dim3(HeadsSizes<S>::kGrid);
    compiled.shape.threads = kHeadsThreads;
    compiled.shape.shared_bytes = sizeof(HeadsBlockMemory<S, kFormat, kOperand>);
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
  absl::StatusOr<bool> has_clusters = HasClusters();
  if (!has_clusters.ok() || !*has_clusters) return has_clusters;
  absl::StatusOr<CurrentDevice> device = CurrentDevice::Find();
  if (!device.ok()) return device.status();
  if (static_cast<int>(compiled.shape.shared_bytes) > device->shared_bytes) return false;
  absl::StatusOr<int> clusters = ClustersAtOnce("heads step", compiled.kernel, compiled.shape);
  if (!clusters.ok()) return clusters.status();
  return *clusters * kClusterBlocks >= static_cast<int>(compiled.shape.grid.x);
}

absl::Status LaunchHeads(const Widths& widths, WeightFormat format, const GridArguments& arguments,
                         cudaStream_t stream) {
  const CompiledKernel compiled = KernelOf(widths, format);
  if (compiled.kernel == nullptr) return absl::InternalError("no kernel of heads for this shape");
  if (absl::Status status = PrepareCluster("heads step", compiled.kernel, compiled.shape);
      !status.ok()) {
    return status;
  }
  ClusterLaunch launch(compiled.shape, stream);
  launch.attributes[1].id = cudaLaunchAttributeCooperative;
  launch.attributes[1].val = {};
  launch.attributes[1].val.cooperative = 1;
  return CudaError(cudaLaunchKernelEx(&launch.config, compiled.kernel, arguments), "heads step");
}

}  // namespace strided::cuda::grid
