#include <algorithm>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/held_product.h"
#include "engine/cuda/kernels/held_product_kernel.cuh"
#include "engine/cuda/kernels/row_map.h"

namespace strided::cuda {
namespace {

template <WeightFormat kFormat>
absl::Status LaunchFormat(const WideProduct& product, const CurrentDevice& device, bool dependent,
                          cudaStream_t stream) {
  using Kernel = HeldKernel<kFormat>;
  const int steps = PackedSteps(product.matrix.inputs);
  ASSIGN_OR_RETURN(const CUtensorMap map, MapRows({.rows = product.in,
                                                   .operand = Kernel::kOperand,
                                                   .columns = steps * kStepInputs,
                                                   .row_count = product.rows,
                                                   .stride = product.in_stride,
                                                   .tile_rows = Kernel::kRows}));
  const int64_t tiles = TilesOf(WideTile::kHeld, product.matrix.outputs, product.rows);
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(std::min<int64_t>(tiles, device.multiprocessors)));
  shape.block = dim3(Kernel::kThreads);
  shape.shared_bytes = static_cast<size_t>(Kernel::SharedBytes(steps / Kernel::kSteps));
  shape.dependent = dependent;
  return Launch("held product", HeldProductKernel<kFormat>, shape, stream, product, map);
}

}  // namespace

bool CanHoldRows(const CurrentDevice& device, int inputs) {
  using Kernel = HeldKernel<WeightFormat::kBfloat16>;  // rows take the same room in all formats
  return device.has_warpgroups &&
         Kernel::SharedBytes(PackedSteps(inputs) / Kernel::kSteps) <= device.shared_bytes;
}

absl::Status LaunchHeldProduct(const WideProduct& product, WeightFormat format,
                               const CurrentDevice& device, bool dependent, cudaStream_t stream) {
  switch (format) {
    case WeightFormat::kFloat16:
      return LaunchFormat<WeightFormat::kFloat16>(product, device, dependent, stream);
    case WeightFormat::kInt8:
      return LaunchFormat<WeightFormat::kInt8>(product, device, dependent, stream);
    case WeightFormat::kFloat8:
      return LaunchFormat<WeightFormat::kFloat8>(product, device, dependent, stream);
    default:
      return LaunchFormat<WeightFormat::kBfloat16>(product, device, dependent, stream);
  }
}

}  // namespace strided::cuda
