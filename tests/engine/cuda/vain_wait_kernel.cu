#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/cluster/step_arguments.h"
#include "engine/cuda/grid/cells.cuh"
#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/kernels/cuda_status.h"
#include "tests/engine/cuda/vain_wait_kernel.h"

namespace strided::cuda::cluster {
namespace {

__global__ void VainWaitKernel(int waits, int32_t* error) {
#if __CUDA_ARCH__ >= 900
  constexpr uint64_t kLimit = 10'000'000;  // nanoseconds
  __shared__ uint64_t barrier;
  const uint32_t address = SharedAddress(&barrier);
  if (threadIdx.x == 0) InitBarrier(address, 1);
  __syncthreads();
  BoundedWaitOf<kLimit> wait(error, ErrorWordOf(0, static_cast<int>(threadIdx.x) / 32));
  for (int i = 0; i < waits; ++i) wait.For(address, 0);
#endif
}

}  // namespace

absl::Status LaunchVainWaits(int warps, int waits, int32_t* error, cudaStream_t stream) {
  VainWaitKernel<<<1, 32 * warps, 0, stream>>>(waits, error);
  return CudaError(cudaGetLastError(), "launching vain waits");
}

}  // namespace strided::cuda::cluster

namespace strided::cuda::grid {
namespace {

__global__ void VainLookKernel(int waits, int32_t* error) {
  WaitOf<10'000> wait(error, ErrorWordOf(0, static_cast<int>(threadIdx.x) / 32));
  for (int i = 0; i < waits; ++i) {
    wait.Until([&] { return *static_cast<volatile int32_t*>(error) < 0; });
  }
}

}  // namespace

absl::Status LaunchVainLooks(int warps, int waits, int32_t* error, cudaStream_t stream) {
  VainLookKernel<<<1, 32 * warps, 0, stream>>>(waits, error);
  return CudaError(cudaGetLastError(), "launching vain looks");
}

}  // namespace strided::cuda::grid
