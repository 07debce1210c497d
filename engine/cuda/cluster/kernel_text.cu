// The bundled text model.

#include "engine/cuda/cluster/steps_kernel.cuh"

namespace strided::cuda::cluster {

template CompiledKernel KernelOf<TextSizes>(int);

}  // namespace strided::cuda::cluster
