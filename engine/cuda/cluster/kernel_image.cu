// The bundled image and audio models.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<ImageSizes>(int);

}  // namespace strided::cuda::cluster
