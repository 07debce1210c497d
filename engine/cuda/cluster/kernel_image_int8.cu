// The bundled image and audio models over int8 caches.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<WithInt8Caches<Sizes<256, 4, 32, 64, 2, 1, true>, 5, true>>(int);

}  // namespace strided::cuda::cluster
