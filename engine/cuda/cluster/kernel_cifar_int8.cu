// The CIFAR-10 networks over int8 caches.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<WithInt8Caches<CifarSizes, 5, 5, false>>(int);

}  // namespace strided::cuda::cluster
