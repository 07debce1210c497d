// The enwik8 networks.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<Sizes<512, 8, 64, 64, 8, 0>>(int);

}  // namespace strided::cuda::cluster
