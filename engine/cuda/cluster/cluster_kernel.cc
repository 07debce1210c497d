#include "engine/cuda/cluster/cluster_kernel.h"

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/cluster/cluster_choice.h"
#include "engine/cuda/cluster/compiled_kernel.h"
#include "engine/cuda/kernels/cuda_status.h"

namespace strided::cuda::cluster {
namespace {

// The shape's kernel for so many groups, which the device has been told to allow what it needs.
absl::StatusOr<CompiledKernel> PreparedKernel(const Shape& shape, int groups) {
  CompiledKernel compiled;
  const bool found = VisitSizes([&](auto sizes) {
    if (ShapeOf(sizes) != shape) return false;
    compiled = KernelOf<decltype(sizes)>(groups);
    return true;
  });
  if (!found || compiled.kernel == nullptr) {
    return absl::InternalError("no cluster kernel for this shape and so many groups");
  }
  cudaError_t error = cudaFuncSetAttribute(
      compiled.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, compiled.shared_bytes);
  if (error == cudaSuccess) {
    error =
        cudaFuncSetAttribute(compiled.kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1);
  }
  if (error != cudaSuccess) return CudaError(error, "preparing the cluster kernel");
  return compiled;
}

cudaLaunchAttribute ClusterOfBlocks() {
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim = {kBlocks, 1, 1};
  return attribute;
}

// `attribute` outlives what is returned.
cudaLaunchConfig_t ConfigOf(const CompiledKernel& compiled, int clusters,
                            cudaLaunchAttribute& attribute) {
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>(clusters * kBlocks));
  config.blockDim = dim3(static_cast<unsigned>(compiled.threads));
  config.dynamicSmemBytes = static_cast<size_t>(compiled.shared_bytes);
  config.attrs = &attribute;
  config.numAttrs = 1;
  return config;
}

}  // namespace

absl::StatusOr<int> ClustersAtOnce(const Shape& shape) {
  ASSIGN_OR_RETURN(const CompiledKernel compiled, PreparedKernel(shape, MostGroups(shape)));
  cudaLaunchAttribute attribute = ClusterOfBlocks();
  const cudaLaunchConfig_t config = ConfigOf(compiled, 1, attribute);
  int clusters = 0;
  const cudaError_t error = cudaOccupancyMaxActiveClusters(&clusters, compiled.kernel, &config);
  if (error != cudaSuccess) return CudaError(error, "asking how many clusters run at once");
  return clusters;
}

absl::Status LaunchClusterSteps(const Shape& shape, const StepArguments& arguments,
                                cudaStream_t stream) {
  ASSIGN_OR_RETURN(const CompiledKernel compiled, PreparedKernel(shape, arguments.groups));
  cudaLaunchAttribute attribute = ClusterOfBlocks();
  cudaLaunchConfig_t config = ConfigOf(compiled, arguments.clusters, attribute);
  config.stream = stream;
  StepArguments copy = arguments;
  void* parameters[] = {&copy};
  return CudaError(cudaLaunchKernelExC(&config, compiled.kernel, parameters),
                   "launching cluster steps");
}

absl::Status StatusOfErrorWord(int32_t word) {
  if (word == 0) return absl::OkStatus();
  const int32_t warp = word - ErrorWordOf(0, 0);
  return absl::InternalError(absl::StrCat("cluster steps: warp ", warp % 32, " of block ",
                                          warp / 32, " has waited in vain"));
}

}  // namespace strided::cuda::cluster
