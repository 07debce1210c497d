// Networks of width 128 with heads of 32.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<Sizes<128, 4, 32, 32, 2, 0>>(int);

}  // namespace strided::cuda::cluster
