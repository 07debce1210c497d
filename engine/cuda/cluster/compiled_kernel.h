// A compiled kernel of a shape. One source file for each shape, since they take long to compile.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_COMPILED_KERNEL_H_
#define STRIDED_ENGINE_CUDA_CLUSTER_COMPILED_KERNEL_H_

namespace strided::cuda::cluster {

struct CompiledKernel {
  const void* kernel = nullptr;  // of a StepArguments
  int threads = 0;               // of a block
  int shared_bytes = 0;          // dynamic, of a block
};

// S: of VisitSizes; instantiated in kernel_<what the shape is of>.cu.
// The kernel for clusters of up to `groups` groups each.
template <class S>
CompiledKernel KernelOf(int groups);

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_COMPILED_KERNEL_H_
