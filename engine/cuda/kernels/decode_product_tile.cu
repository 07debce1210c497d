#include <cstddef>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/decode_product_tile.cuh"
#include "engine/cuda/kernels/decode_product_tile.h"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/norm_once.h"
#include "engine/cuda/kernels/visit_format.h"

namespace strided::cuda {
namespace {

using namespace product;

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

LaunchShape InStep(dim3 grid, int threads, int shared_bytes) {
  LaunchShape shape;
  shape.grid = grid;
  shape.block = dim3(static_cast<unsigned>(threads));
  shape.shared_bytes = static_cast<size_t>(shared_bytes);
  shape.dependent = true;
  shape.in_decode_step = true;
  return shape;
}

template <class Kernel>
dim3 GridOf(const DecodeProduct& product) {
  return dim3(static_cast<unsigned>(CeilDivide(product.matrix.outputs, Kernel::kOutputs)),
              static_cast<unsigned>(CeilDivide(product.rows, Kernel::kColumns)));
}

template <class Kernel>
absl::Status LaunchTile(const DecodeProduct& product, cudaStream_t stream) {
  return Launch("decode product", TileProductKernel<Kernel>,
                InStep(GridOf<Kernel>(product), Kernel::kThreads, Kernel::kSharedBytes), stream,
                product, ProductWarps(product.matrix.inputs));
}

template <WeightFormat kFormat, Operand kOperand>
absl::Status LaunchFormat(const DecodeProduct& product, int multiprocessors, cudaStream_t stream) {
  using Large = TileKernel<kFormat, kOperand, 4, 8>;
  using Small = TileKernel<kFormat, kOperand, 2, 4>;
  ASSIGN_OR_RETURN(const DecodeProduct staged, NormOnce(product, stream));
  // Large tiles read less, but have to give most multiprocessors something to do.
  const dim3 large = GridOf<Large>(product);
  if (static_cast<int>(large.x * large.y) * 3 >= multiprocessors * 2) {
    return LaunchTile<Large>(staged, stream);
  }
  return LaunchTile<Small>(staged, stream);
}

}  // namespace

bool TakesTiles(const DecodeProduct& p) {
  // Norms of every block's own columns weigh more than the sums of many warps.
  const int fewest_rows = p.normed ? 96 : 192;
  const bool whole = p.matrix.inputs % kGroupInputs == 0 && p.matrix.outputs % 8 == 0;
  const bool heads =
      p.output != ProductOutput::kQueryKeyValue || (p.d_key % 8 == 0 && p.d_value % 8 == 0);
  return p.format != WeightFormat::kFloat32 && p.rows >= fewest_rows && whole && heads &&
         !p.ends_step && (!p.normed || p.normed_rows != nullptr);
}

absl::Status LaunchProductTiles(const DecodeProduct& product, int multiprocessors,
                                cudaStream_t stream) {
  return VisitFormat(product.format, [&]<WeightFormat kFormat, Operand kOperand>() {
    return LaunchFormat<kFormat, kOperand>(product, multiprocessors, stream);
  });
}

}  // namespace strided::cuda
