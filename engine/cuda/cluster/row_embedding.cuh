// The residual stream's start, four elements of a lane: kernels/embed.cuh, with the same order of
// sums. What does not depend on the token is read while the token is being drawn.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_ROW_EMBEDDING_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_ROW_EMBEDDING_CUH_

#include <cstdint>

#include "engine/cuda/cluster/cluster_sizes.h"
#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda::cluster {

template <class S>
class RowEmbedding {
 public:
  // Of step `position`: elements first to first + 3.
  __device__ __forceinline__ RowEmbedding(const DeviceTables& tables, int position, int first)
      : tables_(tables), first_(first) {
    int rest = max(Previous() ? position - 1 : position, 0);
    int cells = 1;  // of the axes within this one
#pragma unroll
    for (int axis = 0; axis < kMaxAxes; ++axis) {
      if (axis < tables.axes) cells *= tables.position_axes[axis];
    }
#pragma unroll
    for (int axis = 0; axis < kMaxAxes; ++axis) {
      if (axis >= tables.axes) continue;
      cells /= tables.position_axes[axis];
      positions_[axis] = Four(tables.position_embedding[axis], rest / cells);
      rest %= cells;
    }
  }

  // The input, with `input` the token; negative: `start`, the sequence's start vector.
  __device__ __forceinline__ float4 With(int32_t input, const float* start) const {
    const bool is_token = input >= 0;
    float4 sum = is_token ? Four(tables_.token_embedding, input) : Four(start, 0);
    if (!is_token && Previous()) return sum;  // the start vector has no position
#pragma unroll
    for (int axis = 0; axis < kMaxAxes; ++axis) {
      if (axis >= tables_.axes) continue;
      sum.x += positions_[axis].x;
      sum.y += positions_[axis].y;
      sum.z += positions_[axis].z;
      sum.w += positions_[axis].w;
    }
    return sum;
  }

 private:
  __device__ __forceinline__ bool Previous() const {
    return tables_.position_rule == PositionRule::kPrevious;
  }
  __device__ __forceinline__ float4 Four(const float* table, int row) const {
    return *reinterpret_cast<const float4*>(table + static_cast<int64_t>(row) * S::kWidth + first_);
  }

  const DeviceTables& tables_;
  int first_;
  float4 positions_[kMaxAxes];
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_ROW_EMBEDDING_CUH_
