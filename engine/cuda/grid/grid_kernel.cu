#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/grid/grid_kernel.cuh"
#include "engine/cuda/grid/grid_kernel.h"
#include "engine/cuda/kernels/cuda_status.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/visit_format.h"

namespace strided::cuda::grid {
namespace {

struct CompiledKernel {
  const void* kernel = nullptr;
  int threads = 0;
  int shared_bytes = 0;
  BlockRoles roles;
};

template <class S>
CompiledKernel KernelOf(WeightFormat format) {
  return VisitFormat(format, [&]<WeightFormat kFormat, Operand kOperand>() {
    return CompiledKernel{reinterpret_cast<const void*>(GridKernel<S, kFormat, kOperand>), kThreads,
                          static_cast<int>(sizeof(BlockMemory<S, kFormat, kOperand>)),
                          RolesOf(S())};
  });
}

// Its kernel null where the shape has none.
CompiledKernel KernelOf(const Widths& widths, WeightFormat format) {
  CompiledKernel compiled;
  VisitSizes([&](auto sizes) {
    if (decltype(sizes)::kWidths != widths) return false;
    compiled = KernelOf<decltype(sizes)>(format);
    return true;
  });
  return compiled;
}

// Allows the kernel what it needs of the current device.
absl::Status Prepare(const CompiledKernel& compiled) {
  if (compiled.kernel == nullptr) return absl::InternalError("no grid kernel for this shape");
  cudaError_t error = cudaFuncSetAttribute(
      compiled.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, compiled.shared_bytes);
  // As all kernels of a decode step: LaunchShape::in_decode_step.
  if (error == cudaSuccess) {
    error = cudaFuncSetAttribute(compiled.kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                                 cudaSharedmemCarveoutMaxShared);
  }
  return CudaError(error, "preparing the grid kernel");
}

}  // namespace

absl::StatusOr<bool> RunsGrid(const Widths& widths, WeightFormat format) {
  ASSIGN_OR_RETURN(const CurrentDevice device, CurrentDevice::Find());
  const CompiledKernel compiled = KernelOf(widths, format);
  if (compiled.shared_bytes > device.shared_bytes) return false;
  RETURN_IF_ERROR(Prepare(compiled));
  int blocks = 0;
  const cudaError_t error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(
      &blocks, compiled.kernel, compiled.threads, static_cast<size_t>(compiled.shared_bytes));
  if (error != cudaSuccess) return CudaError(error, "asking whether the grid runs at once");
  return blocks > 0 && compiled.roles.blocks() <= device.multiprocessors;
}

absl::Status LaunchGrid(const Widths& widths, WeightFormat format, const GridArguments& arguments,
                        cudaStream_t stream) {
  ASSIGN_OR_RETURN(const CurrentDevice device, CurrentDevice::Find());
  const CompiledKernel compiled = KernelOf(widths, format);
  RETURN_IF_ERROR(Prepare(compiled));
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeCooperative;
  attribute.val.cooperative = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>(device.multiprocessors));
  config.blockDim = dim3(static_cast<unsigned>(compiled.threads));
  config.dynamicSmemBytes = static_cast<size_t>(compiled.shared_bytes);
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = 1;
  GridArguments copy = arguments;
  copy.roles = compiled.roles;
  void* parameters[] = {&copy};
  return CudaError(cudaLaunchKernelExC(&config, compiled.kernel, parameters), "grid step");
}

absl::Status StatusOfErrorWord(int32_t word) {
  if (word == 0) return absl::OkStatus();
  const int32_t warp = word - ErrorWordOf(0, 0);
  return absl::InternalError(absl::StrCat("grid step: warp ", warp % kErrorWarps, " of block ",
                                          warp / kErrorWarps, " has waited in vain"));
}

}  // namespace strided::cuda::grid
