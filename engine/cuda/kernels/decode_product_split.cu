#include <cstddef>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/cluster_launch.h"
#include "engine/cuda/kernels/decode_product_split.cuh"
#include "engine/cuda/kernels/visit_format.h"

namespace strided::cuda {
namespace {

using namespace split;

constexpr int kFewestRows = 16;  // below, a block of few columns reads as little

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

// visit(kernel, bytes of its shared memory) for the product's format.
template <typename Visit>
auto VisitKernel(const DecodeProduct& p, Visit&& visit) {
  return VisitFormat(p.format, [&]<WeightFormat kFormat, Operand kOperand>() {
    using Sizes = SplitSizes<kFormat, kOperand>;
    return visit(ProductSplitKernel<Sizes>, sizeof(typename Sizes::Memory));
  });
}

ClusterShape ShapeOf(const DecodeProduct& p, size_t shared_bytes) {
  ClusterShape shape;
  shape.cluster = dim3(kBlocks);
  shape.grid = dim3(kBlocks, static_cast<unsigned>(p.matrix.outputs / kOutputs),
                    static_cast<unsigned>(CeilDivide(p.rows, kColumns)));
  shape.threads = kThreads;
  shape.shared_bytes = shared_bytes;
  return shape;
}

bool HasSizes(const DecodeProduct& p) {
  return p.matrix.inputs == kGroupInputs * kBlocks && p.matrix.outputs % kOutputs == 0 &&
         p.rows >= kFewestRows;
}

}  // namespace

absl::StatusOr<bool> TakesSplit(const DecodeProduct& p) {
  const bool adds = p.output == ProductOutput::kResidual && !p.normed && !p.ends_step;
  if (!adds || p.format == WeightFormat::kFloat32 || !HasSizes(p)) return false;
  ASSIGN_OR_RETURN(const bool has_clusters, HasClusters());
  if (!has_clusters) return false;
  ASSIGN_OR_RETURN(const int clusters, VisitKernel(p, [&](auto* kernel, size_t bytes) {
                     return ClustersAtOnce("decode product", kernel, ShapeOf(p, bytes));
                   }));
  return clusters > 0;
}

absl::Status LaunchProductSplit(const DecodeProduct& product, cudaStream_t stream) {
  return VisitKernel(product, [&](auto* kernel, size_t bytes) {
    return LaunchClusters("decode product", kernel, ShapeOf(product, bytes), stream, product);
  });
}

}  // namespace strided::cuda
