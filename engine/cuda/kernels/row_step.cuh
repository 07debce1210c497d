// The end of a row's step, and the row that follows it.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ROW_STEP_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ROW_STEP_CUH_

#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/kernels/row_sampler.h"

namespace strided::cuda {

__device__ __forceinline__ bool Draws(const DecodeRow& row) { return row.output == kWantsSample; }

// The token that the row's output asks for, from its logits; `start` for the row's position. By all
// threads of the sampler's block. Requires an output that is not kWantsNothing.
template <typename Block>
__device__ __forceinline__ int32_t TokenOf(RowSampler<Block>& sampler, const DecodeRow& row,
                                           const DeviceSampler& parameters,
                                           const DrawStart& start) {
  return Draws(row) ? sampler.Sample(parameters, start) : row.target;
}

// What is reported of it.
template <typename Block>
__device__ __forceinline__ RowResult ResultOf(const RowSampler<Block>& sampler, int32_t token) {
  RowResult result;
  result.token = token;
  result.log_prob = sampler.LogProb(token);
  result.finite = sampler.finite() ? 1 : 0;
  return result;
}

// The row after a step that gave `token`.
__device__ __forceinline__ DecodeRow Next(DecodeRow row, int32_t token) {
  const bool drew = Draws(row);
  if (drew) row.input = token;
  ++row.position;
  ++row.step;
  --row.steps_left;
  if (!drew || row.steps_left <= 0) row.slot = -1;
  return row;
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ROW_STEP_CUH_
