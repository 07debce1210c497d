#include "engine/cuda/cuda_executor.h"

namespace strided {

std::optional<CudaDecodePath> CudaDecodePathFromName(absl::string_view name) {
  if (name == "auto") return CudaDecodePath::kAuto;
  if (name == "graph") return CudaDecodePath::kGraph;
  if (name == "cluster") return CudaDecodePath::kCluster;
  return std::nullopt;
}

}  // namespace strided
