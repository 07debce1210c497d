#include <algorithm>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/streamed_product.h"
#include "engine/cuda/kernels/streamed_product_kernel.cuh"
#include "engine/cuda/kernels/tile_map.h"

namespace strided::cuda {
namespace {

Operand StoredOperand(WideOutput output, Operand operand) {
  const bool floats = output == WideOutput::kResidual || output == WideOutput::kFloat32;
  return floats ? Operand::kFloat32 : operand;
}

template <WeightFormat kFormat>
absl::Status LaunchFormat(const WideProduct& product, const CurrentDevice& device, bool dependent,
                          cudaStream_t stream) {
  using Kernel = StreamedKernel<kFormat>;
  using Results = typename Kernel::Results;
  StreamMaps maps;
  ASSIGN_OR_RETURN(maps.weights,
                   MapWeights(product.matrix, kFormat, Kernel::kOutputs / kTileOutputs));
  ASSIGN_OR_RETURN(maps.in, MapRows({.rows = product.in,
                                     .operand = Kernel::kOperand,
                                     .columns = PackedSteps(product.matrix.inputs) * kStepInputs,
                                     .row_count = product.rows,
                                     .stride = product.in_stride,
                                     .tile_rows = Kernel::kRows}));
  ASSIGN_OR_RETURN(maps.out, MapRows({.rows = product.out,
                                      .operand = StoredOperand(product.output, Kernel::kOperand),
                                      .columns = product.matrix.outputs,
                                      .row_count = product.rows,
                                      .stride = product.out_stride,
                                      .tile_rows = Results::TileRows(product.output)}));
  const int64_t tiles = TilesOf(WideTile::kStreamed, product.matrix.outputs, product.rows);
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(std::min<int64_t>(tiles, device.multiprocessors)));
  shape.block = dim3(Kernel::kThreads);
  shape.shared_bytes = Kernel::kSharedBytes;
  shape.dependent = dependent;
  return Launch("streamed product", StreamedProductKernel<kFormat>, shape, stream, product, maps);
}

}  // namespace

bool CanStream(const CurrentDevice& device, const WideProduct& product, WeightFormat format) {
  using Kernel = StreamedKernel<WeightFormat::kBfloat16>;  // others take no more
  return device.has_warpgroups && Kernel::kSharedBytes <= device.shared_bytes &&
         HasRowMap(product.out, product.out_stride,
                   StoredOperand(product.output, OperandOf(format)));
}

absl::Status LaunchStreamedProduct(const WideProduct& product, WeightFormat format,
                                   const CurrentDevice& device, bool dependent,
                                   cudaStream_t stream) {
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
