#include <algorithm>
#include <cstddef>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/cluster_launch.h"
#include "engine/cuda/kernels/decode_attend.cuh"
#include "engine/cuda/kernels/visit_format.h"

namespace strided::cuda {
namespace {

using namespace attend;

// visit(kernel, bytes of its shared memory) for the format.
template <typename Visit>
auto VisitKernel(WeightFormat format, Visit&& visit) {
  return VisitFormat(format, [&]<WeightFormat kFormat, Operand kOperand>() {
    using Sizes = AttendSizes<kFormat, kOperand>;
    return visit(DecodeAttendKernel<Sizes>, sizeof(typename Sizes::Memory));
  });
}

ClusterShape ShapeOf(int rows, size_t shared_bytes) {
  ClusterShape shape;
  shape.cluster = dim3(1, kHeads);
  shape.grid = dim3(1, kHeads, static_cast<unsigned>(std::max(rows, 1)));
  shape.threads = 32 * kWarps;
  shape.shared_bytes = shared_bytes;
  return shape;
}

bool HasSizes(const DecodeAttend& a) {
  const bool heads = a.attention.n_head == kHeads && a.attention.d_key == kHeadWidth &&
                     a.attention.d_value == kHeadWidth;
  const bool widths = a.qkv.matrix.inputs == kWidth && a.out.matrix.outputs == kWidth;
  return heads && widths && a.qkv.norm.weight != nullptr && a.qkv.fresh == nullptr &&
         a.attention.chunks == 1 && a.qkv.format != WeightFormat::kFloat32;
}

}  // namespace

absl::StatusOr<bool> TakesDecodeAttend(const DecodeAttend& attend) {
  if (!HasSizes(attend)) return false;
  ASSIGN_OR_RETURN(const bool has_clusters, HasClusters());
  if (!has_clusters) return false;
  ASSIGN_OR_RETURN(const int clusters,
                   VisitKernel(attend.qkv.format, [&](auto* kernel, size_t bytes) {
                     return ClustersAtOnce("decode attend", kernel, ShapeOf(1, bytes));
                   }));
  return clusters > 0;
}

absl::Status LaunchDecodeAttend(const DecodeAttend& attend, cudaStream_t stream) {
  return VisitKernel(attend.qkv.format, [&](auto* kernel, size_t bytes) {
    return LaunchClusters("decode attend", kernel, ShapeOf(attend.qkv.rows, bytes), stream, attend);
  });
}

}  // namespace strided::cuda
