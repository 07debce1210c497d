#include "engine/cuda/kernels/launch.h"
#include "tests/benchmarks/empty_kernel.h"

namespace strided::cuda {
namespace {

__global__ void EmptyKernel() {
  LetNextGridStart();
  WaitForGridBefore();
}

}  // namespace

absl::Status LaunchEmpty(int blocks, cudaStream_t stream) {
  LaunchShape shape;
  shape.grid = dim3(blocks);
  shape.block = dim3(128);
  shape.dependent = true;
  shape.in_decode_step = true;
  return Launch("empty", EmptyKernel, shape, stream);
}

}  // namespace strided::cuda
