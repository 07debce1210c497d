#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/cuda_status.h"
#include "engine/cuda/kernels/wide_product.h"
#include "engine/cuda/kernels/wide_product_float32.h"
#include "engine/cuda/kernels/wide_product_kernel.cuh"

namespace strided::cuda {
namespace {

template <WeightFormat kFormat, WideTile kTile>
absl::Status LaunchTile(const WideProduct& product, bool dependent, cudaStream_t stream) {
  using Kernel = WideKernel<kFormat, kTile>;
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(TilesOf(kTile, product.matrix.outputs, product.rows)));
  shape.block = dim3(Kernel::kThreads);
  shape.shared_bytes = Kernel::kSharedBytes;
  shape.dependent = dependent;
  return Launch("wide product", WideProductKernel<kFormat, kTile>, shape, stream, product);
}

template <WeightFormat kFormat>
absl::Status LaunchFormat(const WideProduct& product, WideTile tile, bool dependent,
                          cudaStream_t stream) {
  switch (tile) {
    case WideTile::kLarge:
      return LaunchTile<kFormat, WideTile::kLarge>(product, dependent, stream);
    case WideTile::kMedium:
      return LaunchTile<kFormat, WideTile::kMedium>(product, dependent, stream);
    default:
      return LaunchTile<kFormat, WideTile::kSmall>(product, dependent, stream);
  }
}

// The current device's choice: by its multiprocessors, and within its shared memory.
absl::StatusOr<WideTile> ChooseOnDevice(int outputs, int rows) {
  using Largest = WideKernel<WeightFormat::kBfloat16, WideTile::kLarge>;
  int device = 0;
  int multiprocessors = 0;
  int shared_bytes = 0;  // of one block
  RETURN_IF_ERROR(CudaError(cudaGetDevice(&device), "the current device"));
  RETURN_IF_ERROR(
      CudaError(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device),
                "the number of multiprocessors"));
  RETURN_IF_ERROR(CudaError(
      cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
      "the shared memory of a block"));
  const WideTile tile = ChooseWideTile(outputs, rows, multiprocessors);
  const bool fits = shared_bytes >= Largest::kSharedBytes;
  return tile == WideTile::kLarge && !fits ? WideTile::kMedium : tile;
}

}  // namespace

absl::Status LaunchWideProduct(const WideProduct& product, WeightFormat format, bool dependent,
                               cudaStream_t stream, std::optional<WideTile> tile) {
  if (format == WeightFormat::kFloat32) {
    return LaunchWideProductFloat32(product, dependent, stream);
  }
  if (!tile.has_value()) {
    ASSIGN_OR_RETURN(tile, ChooseOnDevice(product.matrix.outputs, product.rows));
  }
  switch (format) {
    case WeightFormat::kFloat16:
      return LaunchFormat<WeightFormat::kFloat16>(product, *tile, dependent, stream);
    case WeightFormat::kInt8:
      return LaunchFormat<WeightFormat::kInt8>(product, *tile, dependent, stream);
    case WeightFormat::kFloat8:
      return LaunchFormat<WeightFormat::kFloat8>(product, *tile, dependent, stream);
    default:
      return LaunchFormat<WeightFormat::kBfloat16>(product, *tile, dependent, stream);
  }
}

}  // namespace strided::cuda
