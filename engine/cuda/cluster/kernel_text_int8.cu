// The bundled text model over int8 caches.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<WithInt8Caches<Sizes<256, 4, 64, 64, 4, 0>, 5, true>>(int);

}  // namespace strided::cuda::cluster
