// Kernels whose warps wait for what never comes (cluster/bounded_wait.cuh, grid/cells.cuh).

#ifndef STRIDED_TESTS_ENGINE_CUDA_VAIN_WAIT_KERNEL_H_
#define STRIDED_TESTS_ENGINE_CUDA_VAIN_WAIT_KERNEL_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "absl/status/status.h"

namespace strided::cuda::cluster {

// One block of `warps` warps; each waits `waits` times, for a hundredth of a second at most.
// `error` is a word of device memory, 0. Needs sm_90.
absl::Status LaunchVainWaits(int warps, int waits, int32_t* error, cudaStream_t stream);

}  // namespace strided::cuda::cluster

namespace strided::cuda::grid {

// The same for cells of the kernels of heads: `waits` times some ten thousand looks at most.
absl::Status LaunchVainLooks(int warps, int waits, int32_t* error, cudaStream_t stream);

}  // namespace strided::cuda::grid

#endif  // STRIDED_TESTS_ENGINE_CUDA_VAIN_WAIT_KERNEL_H_
