#include "engine/cuda/kernels/current_device.h"

#include <cuda_runtime_api.h>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/cuda_status.h"

namespace strided::cuda {
namespace {

#ifdef STRIDED_HAS_WARPGROUPS
constexpr bool kBuiltForWarpgroups = true;
#else
constexpr bool kBuiltForWarpgroups = false;
#endif

}  // namespace

absl::StatusOr<CurrentDevice> CurrentDevice::Find() {
  int device = 0;
  RETURN_IF_ERROR(CudaError(cudaGetDevice(&device), "asking for the device"));
  // Prefill asks for each launch, and launches are what binds the host.
  static thread_local int known_device = -1;
  static thread_local CurrentDevice known;
  if (device == known_device) return known;
  const auto ask = [&](cudaDeviceAttr attribute) -> absl::StatusOr<int> {
    int value = 0;
    RETURN_IF_ERROR(CudaError(cudaDeviceGetAttribute(&value, attribute, device),
                              "asking for the device's attributes"));
    return value;
  };
  CurrentDevice found;
  ASSIGN_OR_RETURN(found.multiprocessors, ask(cudaDevAttrMultiProcessorCount));
  ASSIGN_OR_RETURN(found.shared_bytes, ask(cudaDevAttrMaxSharedMemoryPerBlockOptin));
  ASSIGN_OR_RETURN(const int major, ask(cudaDevAttrComputeCapabilityMajor));
  ASSIGN_OR_RETURN(const int minor, ask(cudaDevAttrComputeCapabilityMinor));
  found.has_warpgroups = kBuiltForWarpgroups && major == 9 && minor == 0;
  known_device = device;
  known = found;
  return found;
}

}  // namespace strided::cuda
