// The ImageNet-64 and music networks.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<Sizes<512, 16, 32, 32, 8, 2>>(int);

}  // namespace strided::cuda::cluster
