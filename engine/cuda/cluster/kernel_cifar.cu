// The CIFAR-10 networks.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<Sizes<256, 2, 64, 128, 2, 5>>(int);

}  // namespace strided::cuda::cluster
