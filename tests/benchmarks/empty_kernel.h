// A kernel that does nothing but keep the order of a step: what is left is the price of a launch.

#ifndef STRIDED_TESTS_BENCHMARKS_EMPTY_KERNEL_H_
#define STRIDED_TESTS_BENCHMARKS_EMPTY_KERNEL_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"

namespace strided::cuda {

// `blocks` blocks of 128 threads, dependent on the kernel before them in `stream`.
absl::Status LaunchEmpty(int blocks, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_BENCHMARKS_EMPTY_KERNEL_H_
