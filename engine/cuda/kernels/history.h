// Which tokens a sequence has held so far, for the penalties: TokenHistory on the device.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_HISTORY_H_
#define STRIDED_ENGINE_CUDA_KERNELS_HISTORY_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda {

// Each row that is not idle shows its sequence the token x(position - 1) = input, where that is a
// token. `rows_state` [rows] may hold many rows of one sequence, each position once; their order
// does not matter. `sequences` by slot. All in device memory. A decode step's first kernel can call
// ObserveInput (history.cuh) instead. With programmatic dependent launch where `dependent`.
absl::Status LaunchObserve(const DecodeRow* rows_state, int rows, const DeviceSequence* sequences,
                           bool dependent, cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_HISTORY_H_
