// The first kernel of a decode step: the residual stream's start (sections 5.2 and 5.3).

#ifndef STRIDED_ENGINE_CUDA_KERNELS_EMBED_H_
#define STRIDED_ENGINE_CUDA_KERNELS_EMBED_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda {

// hidden [rows][d_model] float32 = each row's token embedding plus one learned row per axis of its
// position, or its sequence's start vector; idle rows are left. Shows each row's input to its
// sequence's penalties. One kernel, dependent on the one before it in `stream`.
absl::Status LaunchEmbed(const DeviceTables& tables, const DecodeRow* row_states,
                         const DeviceSequence* sequences, int rows, int d_model, float* hidden,
                         cudaStream_t stream);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_EMBED_H_
