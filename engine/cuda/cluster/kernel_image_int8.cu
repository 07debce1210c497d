// The bundled image and audio models over int8 caches.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<WithInt8Caches<ImageSizes, 5, 2, true>>(int);

}  // namespace strided::cuda::cluster
