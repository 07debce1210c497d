// Networks of width 128 with heads of 64.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<Sizes<128, 2, 64, 64, 2, 5, 2>>(int);

}  // namespace strided::cuda::cluster
