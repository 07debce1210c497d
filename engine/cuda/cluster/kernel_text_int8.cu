// The bundled text model over int8 caches.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<WithInt8Caches<TextSizes, 5, 3, true>>(int);

}  // namespace strided::cuda::cluster
