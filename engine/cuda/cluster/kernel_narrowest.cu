// Networks of width 64.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<Sizes<64, 2, 32, 32, 1, 0, 2>>(int);

}  // namespace strided::cuda::cluster
