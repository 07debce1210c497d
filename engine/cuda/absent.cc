// What engine/cuda is where no CUDA compiler was found.

#include "absl/status/status.h"
#include "engine/cuda/cuda_executor.h"

namespace strided {

int CudaDeviceCount() { return 0; }

bool CudaIsBuiltIn() { return false; }

absl::StatusOr<std::unique_ptr<CudaExecutor>> CreateCudaExecutor(const ModelConfig&, const Weights&,
                                                                 const CudaOptions&) {
  return absl::UnimplementedError("this program was built without CUDA");
}

}  // namespace strided
