// How kernels are launched: dependent on the one before, checked.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_LAUNCH_H_
#define STRIDED_ENGINE_CUDA_KERNELS_LAUNCH_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "engine/cuda/kernels/cuda_status.h"

namespace strided::cuda {

struct LaunchShape {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
  // Programmatic dependent launch: the kernel may start while the one before it in the stream still
  // runs, and must execute WaitForGridBefore in every block before it touches what that one writes.
  bool dependent = false;
  // A decode step's kernels all ask for the same split of a multiprocessor's memory into cache and
  // shared memory: it has to drain before it can change the split.
  bool in_decode_step = false;
};

// Launches `kernel` on `stream` and returns the launch's status, with `name` in its message.
// Raises the kernel's limit of dynamic shared memory where, with its own, it may need more than the
// 48 KiB that every kernel has.
template <typename... Parameters, typename... Arguments>
absl::Status Launch(const char* name, void (*kernel)(Parameters...), const LaunchShape& shape,
                    cudaStream_t stream, Arguments&&... arguments) {
  constexpr size_t kDefaultSharedBytes = 16 << 10;
  if (shape.shared_bytes > kDefaultSharedBytes) {
    const cudaError_t raised = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                                    cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                    static_cast<int>(shape.shared_bytes));
    if (raised != cudaSuccess) return CudaError(raised, name);
  }
  if (shape.in_decode_step) {
    const cudaError_t split = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                                   cudaFuncAttributePreferredSharedMemoryCarveout,
                                                   cudaSharedmemCarveoutMaxShared);
    if (split != cudaSuccess) return CudaError(split, name);
  }
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = shape.dependent ? 1 : 0;
  return CudaError(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...),
                   name);
}

#ifdef __CUDACC__

// Until the grid before this one has ended and its writes are seen; at once where the launch was
// not dependent. Devices before sm_90 have no such launches.
__device__ __forceinline__ void WaitForGridBefore() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Lets the grid after this one start, once every block of this one has come here. Before the wait,
// it may start while earlier grids still run; it must not read what those write before its own
// wait. After the wait, all but this grid and the one before it have ended by then.
__device__ __forceinline__ void LetNextGridStart() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

#endif  // __CUDACC__

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_LAUNCH_H_
