// The input of one step: token embedding plus positions, in one order of sums.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_EMBED_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_EMBED_CUH_

#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda {

// Element i of the input of step `position`: of `start` where `input` is no token, else of its
// embedding; plus the tables' rows.
__device__ __forceinline__ float EmbeddedElement(const DeviceTables& tables, int32_t input,
                                                 int position, const float* start, int d_model,
                                                 int i) {
  const bool previous = tables.position_rule == PositionRule::kPrevious;
  const bool is_token = input >= 0;
  const bool positioned = is_token || !previous;  // the start vector has no position
  float sum =
      is_token ? tables.token_embedding[static_cast<int64_t>(input) * d_model + i] : start[i];
  int rest = previous ? position - 1 : position;
  int cells = 1;  // of the axes within this one
  for (int axis = 0; axis < tables.axes; ++axis) cells *= tables.position_axes[axis];
  for (int axis = 0; positioned && axis < tables.axes; ++axis) {
    cells /= tables.position_axes[axis];
    const int64_t at = rest / cells;
    sum += tables.position_embedding[axis][at * d_model + i];
    rest %= cells;
  }
  return sum;
}

// Writes out[i] for the elements i = threadIdx.x, threadIdx.x + blockDim.x, ...
__device__ __forceinline__ void EmbedRow(const DeviceTables& tables, int32_t input, int position,
                                         const float* start, int d_model, float* out) {
  for (int i = threadIdx.x; i < d_model; i += blockDim.x) {
    out[i] = EmbeddedElement(tables, input, position, start, d_model, i);
  }
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_EMBED_CUH_
