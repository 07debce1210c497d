#include <algorithm>
#include <cstddef>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/cluster_launch.h"
#include "engine/cuda/kernels/decode_mlp.cuh"
#include "engine/cuda/kernels/decode_product.h"
#include "engine/cuda/kernels/visit_format.h"

namespace strided::cuda {
namespace {

using namespace mlp;

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

// visit(kernel, bytes of its shared memory) for the mlp's sizes and format.
template <WeightFormat kFormat, Operand kOperand, typename Visit>
auto VisitSizes(const DecodeMlp& m, Visit&& visit) {
  const auto sizes = [&]<int kTiles, int kRounds>() {
    using Sizes = MlpSizes<kFormat, kOperand, kTiles, kRounds>;
    return visit(DecodeMlpKernel<Sizes>, sizeof(typename Sizes::Memory));
  };
  if (m.up.inputs == 256) return sizes.template operator()<1, 1>();
  const int rounds = m.up.outputs / (kGroupInputs * MlpBlocks(m.up.inputs, m.up.outputs));
  return rounds == 1 ? sizes.template operator()<2, 1>() : sizes.template operator()<2, 2>();
}

template <typename Visit>
auto VisitKernel(const DecodeMlp& m, Visit&& visit) {
  return VisitFormat(m.format, [&]<WeightFormat kFormat, Operand kOperand>() {
    return VisitSizes<kFormat, kOperand>(m, visit);
  });
}

ClusterShape ShapeOf(const DecodeMlp& m, size_t shared_bytes) {
  const auto blocks = static_cast<unsigned>(MlpBlocks(m.up.inputs, m.up.outputs));
  ClusterShape shape;
  shape.cluster = dim3(blocks);
  shape.grid = dim3(blocks, static_cast<unsigned>(CeilDivide(std::max(m.rows, 1), kTileColumns)));
  shape.threads = 32 * kWarps;
  shape.shared_bytes = shared_bytes;
  return shape;
}

}  // namespace

int MlpBlocks(int d_model, int d_ff) {
  if ((d_model != 256 && d_model != 512) || d_ff % kGroupInputs != 0) return 0;
  const int groups = d_ff / kGroupInputs;
  const int blocks = ProductWarps(d_ff);
  const int most_rounds = d_model / 256;
  const bool fits = (blocks == 8 || blocks == kMostBlocks) && groups % blocks == 0 &&
                    groups / blocks <= most_rounds;
  return fits ? blocks : 0;
}

int MlpRows(int d_model, int d_ff) {
  constexpr int kSmall = 256 * 1024;  // elements of a matrix
  return d_model * d_ff <= kSmall ? 64 : 0;
}

absl::StatusOr<bool> TakesDecodeMlp(const DecodeMlp& m) {
  if (m.format == WeightFormat::kFloat32 || m.norm.weight == nullptr) return false;
  if (MlpBlocks(m.up.inputs, m.up.outputs) == 0) return false;
  ASSIGN_OR_RETURN(const bool has_clusters, HasClusters());
  if (!has_clusters) return false;
  ASSIGN_OR_RETURN(const int clusters, VisitKernel(m, [&](auto* kernel, size_t bytes) {
                     return ClustersAtOnce("decode mlp", kernel, ShapeOf(m, bytes));
                   }));
  return clusters > 0;
}

absl::Status LaunchDecodeMlp(const DecodeMlp& mlp, cudaStream_t stream) {
  return VisitKernel(mlp, [&](auto* kernel, size_t bytes) {
    return LaunchClusters("decode mlp", kernel, ShapeOf(mlp, bytes), stream, mlp);
  });
}

}  // namespace strided::cuda
