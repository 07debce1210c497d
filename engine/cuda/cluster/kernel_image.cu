// The bundled image and audio models.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<Sizes<256, 4, 32, 64, 2, 1, true>>(int);

}  // namespace strided::cuda::cluster
