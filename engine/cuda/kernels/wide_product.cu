#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/streamed_product.h"
#include "engine/cuda/kernels/wide_product.h"
#include "engine/cuda/kernels/wide_product_float32.h"
#include "engine/cuda/kernels/wide_product_kernel.cuh"

namespace strided::cuda {
namespace {

template <WeightFormat kFormat, WideTile kTile, WideWay kWay>
absl::Status LaunchWay(const WideProduct& product, bool dependent, cudaStream_t stream) {
  using Kernel = WideKernel<kFormat, kTile, kWay>;
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(TilesOf(kTile, product.matrix.outputs, product.rows)));
  shape.block = dim3(Kernel::kThreads);
  shape.shared_bytes = Kernel::kSharedBytes;
  shape.dependent = dependent;
  return Launch("wide product", WideProductKernel<kFormat, kTile, kWay>, shape, stream, product);
}

template <WeightFormat kFormat, WideTile kTile>
absl::Status LaunchTile(const WideProduct& product, WideWay way, bool dependent,
                        cudaStream_t stream) {
  if (way == WideWay::kWarpgroups) {
    return LaunchWay<kFormat, kTile, WideWay::kWarpgroups>(product, dependent, stream);
  }
  return LaunchWay<kFormat, kTile, WideWay::kWarps>(product, dependent, stream);
}

template <WeightFormat kFormat>
absl::Status LaunchFormat(const WideProduct& product, WideTile tile, WideWay way, bool dependent,
                          cudaStream_t stream) {
  switch (tile) {
    case WideTile::kLarge:
      return LaunchTile<kFormat, WideTile::kLarge>(product, way, dependent, stream);
    case WideTile::kMedium:
      return LaunchTile<kFormat, WideTile::kMedium>(product, way, dependent, stream);
    default:
      return LaunchTile<kFormat, WideTile::kSmall>(product, way, dependent, stream);
  }
}

// By the device's multiprocessors, and within its shared memory.
WideTile ChooseOn(const CurrentDevice& device, const WideProduct& product, WeightFormat format) {
  using Largest = WideKernel<WeightFormat::kBfloat16, WideTile::kLarge, WideWay::kWarps>;
  const WideTile tile = ChooseWideTile(product.matrix.outputs, product.rows, device.multiprocessors,
                                       CanStream(device, product, format));
  const bool fits = device.shared_bytes >= Largest::kSharedBytes;
  return tile == WideTile::kLarge && !fits ? WideTile::kMedium : tile;
}

}  // namespace

absl::Status LaunchWideProduct(const WideProduct& product, WeightFormat format, bool dependent,
                               cudaStream_t stream, std::optional<WideTile> tile) {
  if (format == WeightFormat::kFloat32) {
    return LaunchWideProductFloat32(product, dependent, stream);
  }
  ASSIGN_OR_RETURN(const CurrentDevice device, CurrentDevice::Find());
  const WideTile size = tile.value_or(ChooseOn(device, product, format));
  if (size == WideTile::kStreamed) {
    if (!CanStream(device, product, format)) {
      return absl::InvalidArgumentError(
          absl::StrCat("results every ", product.out_stride,
                       " elements cannot be copied, or the device has no warpgroups"));
    }
    return LaunchStreamedProduct(product, format, device, dependent, stream);
  }
  const WideWay way = device.has_warpgroups ? WideWay::kWarpgroups : WideWay::kWarps;
  switch (format) {
    case WeightFormat::kFloat16:
      return LaunchFormat<WeightFormat::kFloat16>(product, size, way, dependent, stream);
    case WeightFormat::kInt8:
      return LaunchFormat<WeightFormat::kInt8>(product, size, way, dependent, stream);
    case WeightFormat::kFloat8:
      return LaunchFormat<WeightFormat::kFloat8>(product, size, way, dependent, stream);
    default:
      return LaunchFormat<WeightFormat::kBfloat16>(product, size, way, dependent, stream);
  }
}

}  // namespace strided::cuda
