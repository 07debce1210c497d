// CUDA's errors as statuses.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_CUDA_STATUS_H_
#define STRIDED_ENGINE_CUDA_KERNELS_CUDA_STATUS_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace strided::cuda {

// OK for cudaSuccess. ResourceExhausted where memory does not suffice, else Internal, with `what`
// and CUDA's name and text of the error. An error that leaves the context unusable ("sticky") comes
// back from every later call, so whoever sees one status has seen the last step.
absl::Status CudaError(cudaError_t error, absl::string_view what);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_CUDA_STATUS_H_
