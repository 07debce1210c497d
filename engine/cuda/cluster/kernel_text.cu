// The bundled text model.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<Sizes<256, 4, 64, 64, 4, 0>>(int);

}  // namespace strided::cuda::cluster
