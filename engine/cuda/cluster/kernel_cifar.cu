// The CIFAR-10 networks.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<CifarSizes>(int);

}  // namespace strided::cuda::cluster
