// How a decode step's kernels of clusters are launched.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_CLUSTER_LAUNCH_H_
#define STRIDED_ENGINE_CUDA_KERNELS_CLUSTER_LAUNCH_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/kernels/cuda_status.h"

namespace strided::cuda {

struct ClusterShape {
  dim3 cluster;  // blocks of a cluster: up to 16
  dim3 grid;     // whole clusters
  int threads = 0;
  size_t shared_bytes = 0;
  // The blocks of a cluster go to as many multiprocessors as can be; else to as few as CUDA likes.
  bool spread = false;
};

// A kernel with all that its launch needs to be allowed.
template <typename... Parameters>
absl::Status PrepareCluster(const char* name, void (*kernel)(Parameters...),
                            const ClusterShape& shape) {
  const auto* const function = reinterpret_cast<const void*>(kernel);
  cudaError_t error = cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                           static_cast<int>(shape.shared_bytes));
  // As all kernels of a decode step: LaunchShape::in_decode_step.
  if (error == cudaSuccess) {
    error = cudaFuncSetAttribute(function, cudaFuncAttributePreferredSharedMemoryCarveout,
                                 cudaSharedmemCarveoutMaxShared);
  }
  if (error == cudaSuccess) {
    error = cudaFuncSetAttribute(function, cudaFuncAttributeNonPortableClusterSizeAllowed, 1);
  }
  return CudaError(error, name);
}

// The attributes of such a launch; `config` points into it.
struct ClusterLaunch {
  cudaLaunchAttribute attributes[3] = {};
  cudaLaunchConfig_t config = {};

  ClusterLaunch(const ClusterShape& shape, cudaStream_t stream) {
    attributes[0].id = cudaLaunchAttributeClusterDimension;
    attributes[0].val.clusterDim = {shape.cluster.x, shape.cluster.y, shape.cluster.z};
    attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[1].val.programmaticStreamSerializationAllowed = 1;
    attributes[2].id = cudaLaunchAttributeClusterSchedulingPolicyPreference;
    attributes[2].val.clusterSchedulingPolicyPreference =
        shape.spread ? cudaClusterSchedulingPolicySpread : cudaClusterSchedulingPolicyDefault;
    config.gridDim = shape.grid;
    config.blockDim = dim3(static_cast<unsigned>(shape.threads));
    config.dynamicSmemBytes = shape.shared_bytes;
    config.stream = stream;
    config.attrs = attributes;
    config.numAttrs = 3;
  }
  ClusterLaunch(const ClusterLaunch&) = delete;
  ClusterLaunch& operator=(const ClusterLaunch&) = delete;
};

// Whether the current device has clusters: 9.0 and later.
inline absl::StatusOr<bool> HasClusters() {
  constexpr int kLeastMajor = 9;
  int device = 0;
  int major = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  }
  if (error != cudaSuccess) return CudaError(error, "asking for the device's capability");
  return major >= kLeastMajor;
}

// How many such clusters the current device runs at once; 0 where it has none.
template <typename... Parameters>
absl::StatusOr<int> ClustersAtOnce(const char* name, void (*kernel)(Parameters...),
                                   const ClusterShape& shape) {
  if (absl::Status status = PrepareCluster(name, kernel, shape); !status.ok()) return status;
  const ClusterLaunch launch(shape, nullptr);
  int clusters = 0;
  const cudaError_t error = cudaOccupancyMaxActiveClusters(
      &clusters, reinterpret_cast<const void*>(kernel), &launch.config);
  if (error != cudaSuccess) return CudaError(error, name);
  return clusters;
}

// Launches `kernel` on `stream` as clusters, dependent on the kernel before (launch.h).
template <typename... Parameters, typename... Arguments>
absl::Status LaunchClusters(const char* name, void (*kernel)(Parameters...),
                            const ClusterShape& shape, cudaStream_t stream,
                            Arguments&&... arguments) {
  if (absl::Status status = PrepareCluster(name, kernel, shape); !status.ok()) return status;
  const ClusterLaunch launch(shape, stream);
  return CudaError(
      cudaLaunchKernelEx(&launch.config, kernel, std::forward<Arguments>(arguments)...), name);
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_CLUSTER_LAUNCH_H_
