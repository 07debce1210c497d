// From the sums of a decode product to where they go: scale and bias, the residual stream, the next
// activations, logits, or queries and the caches.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_RESULTS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_RESULTS_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/product_block.cuh"

namespace strided::cuda::product {

// Which of a head's queries, keys and values an output is.
struct HeadOutput {
  int head;
  int within;  // its query's columns, then its key's, then its value's
};

__device__ __forceinline__ HeadOutput HeadOutputOf(const DecodeProduct& p, int output) {
  const int width = 2 * p.d_key + p.d_value;
  const int head = output / width;
  return {head, output - head * width};
}

template <Operand kOperand>
__device__ Target TargetOf(const DecodeProduct& p, const HeadOutput& output, int row) {
  using Type = typename OperandTraits<kOperand>::Type;
  Target target;
  if (output.within < p.d_key) {
    const int64_t query = static_cast<int64_t>(row) * p.n_head + output.head;
    target.query = reinterpret_cast<float*>(p.out) + query * p.d_key + output.within;
    return target;
  }
  const int slot = p.row_states[row].slot;
  if (slot < 0) return target;
  if (p.fresh != nullptr) {
    const int width = p.d_key + p.d_value;
    const int64_t pair = static_cast<int64_t>(row) * p.n_head + output.head;
    target.first = p.fresh + (pair * width + output.within - p.d_key) * sizeof(Type);
    return target;
  }
  const DeviceSequence& sequence = p.sequences[slot];
  const int position = p.row_states[row].position;
  const int length = sequence.max_length;
  const HeadRows layout = p.heads[output.head];
  auto* const keys =
      reinterpret_cast<Type*>(sequence.cache + sequence.head_offsets[p.first_head + output.head]);
  const bool is_key = output.within < 2 * p.d_key;
  Type* const base = is_key ? keys : keys + static_cast<int64_t>(layout.Rows(length)) * p.d_key;
  const int columns = is_key ? p.d_key : p.d_value;
  const int column = output.within - (is_key ? p.d_key : 2 * p.d_key);
  const auto at = [&](int home) -> std::byte* {
    if (home < 0) return nullptr;
    return reinterpret_cast<std::byte*>(base + static_cast<int64_t>(home) * columns + column);
  };
  target.first = at(layout.Home(position, length));
  target.second = at(layout.SecondHome(position, length));
  return target;
}

template <Operand kOperand>
__device__ __forceinline__ void StoreTarget(const Target& target, float value) {
  using Traits = OperandTraits<kOperand>;
  using Type = typename Traits::Type;
  if (target.query != nullptr) *target.query = value;
  const Type stored = Traits::From(value);
  if (target.first != nullptr) *reinterpret_cast<Type*>(target.first) = stored;
  if (target.second != nullptr) *reinterpret_cast<Type*>(target.second) = stored;
}

// `at` is the output's index in [rows][outputs], `residual` what `hidden` holds there.
template <Operand kOperand>
__device__ __forceinline__ void StoreOutput(const DecodeProduct& p, int64_t at, float value,
                                            float residual) {
  using Traits = OperandTraits<kOperand>;
  using Type = typename Traits::Type;
  if (p.output == ProductOutput::kResidual) {
    p.hidden[at] = residual + value;
  } else if (p.output == ProductOutput::kActivated) {
    reinterpret_cast<Type*>(p.out)[at] = Traits::From(Activate(p.activation, value));
  } else {
    reinterpret_cast<float*>(p.out)[at] = value;
  }
}

// The share of a thread in the block's results: one output of some columns.
struct Share {
  int within;        // of the block's outputs, a power of two
  int output;        // of the matrix
  int first_column;  // then every column_step-th
  int column_step;
  float scale;
  float bias;
};

__device__ __forceinline__ Share ShareOf(const DecodeProduct& p, int log_outputs) {
  Share share;
  share.within = threadIdx.x & ((1 << log_outputs) - 1);
  share.output = (blockIdx.x << log_outputs) + share.within;
  share.first_column = threadIdx.x >> log_outputs;
  share.column_step = blockDim.x >> log_outputs;
  const bool inside = share.output < p.matrix.outputs;
  share.scale = inside && p.matrix.scales != nullptr ? p.matrix.scales[share.output] : 1.0f;
  share.bias = inside && p.matrix.bias != nullptr ? p.matrix.bias[share.output] : 0.0f;
  return share;
}

// Where the thread's results go, for it alone.
template <Operand kOperand>
__device__ __forceinline__ void FindTargets(const DecodeProduct& p, const Columns& columns,
                                            const Share& share, int log_outputs, Target* targets) {
  if (share.output >= p.matrix.outputs) return;
  const HeadOutput output = HeadOutputOf(p, share.output);
#pragma unroll 1
  for (int c = share.first_column; c < columns.count; c += share.column_step) {
    targets[(c << log_outputs) + share.within] =
        TargetOf<kOperand>(p, output, columns.first_row + c);
  }
}

// The residual stream at the block's outputs, behind the staging: [column][output].
__device__ __forceinline__ void FetchResidual(const DecodeProduct& p, const Columns& columns,
                                              const Share& share, int log_outputs,
                                              float* residual) {
  const int64_t width = p.matrix.outputs;
  const int first_output = blockIdx.x << log_outputs;
  const float* const from = p.hidden + columns.first_row * width + first_output;
  if (width % 4 == 0) {
    const int i = (threadIdx.x & ((1 << (log_outputs - 2)) - 1)) * 4;
    const bool inside = first_output + i < width;
#pragma unroll 1
    for (int c = threadIdx.x >> (log_outputs - 2); c < columns.count;
         c += blockDim.x >> (log_outputs - 2)) {
      CopyAsync(SharedAddress(residual + (c << log_outputs) + i), from + c * width + i, inside);
    }
    return;
  }
  if (share.output >= width) return;
  for (int c = share.first_column; c < columns.count; c += share.column_step) {
    residual[(c << log_outputs) + share.within] = __ldcg(from + c * width + share.within);
  }
}

// Adds the sums of a tile's warps in their order, and stores what comes of them.
template <Operand kOperand>
__device__ __forceinline__ void Conclude(const DecodeProduct& p, const SharedLayout& layout,
                                         const Columns& columns, const Share& share,
                                         int log_outputs, int warps, const std::byte* shared) {
  if (share.output >= p.matrix.outputs) return;
  const auto* const targets = reinterpret_cast<const Target*>(shared + layout.targets);
  const auto* const residual = reinterpret_cast<const float*>(shared + layout.residual);
  const int warp_stride = layout.warp_sums / static_cast<int>(sizeof(float));
  const auto* const sums = reinterpret_cast<const float*>(shared + layout.sums) +
                           share.within / kTileOutputs * warps * warp_stride +
                           share.within % kTileOutputs;
#pragma unroll 1
  for (int c = share.first_column; c < columns.count; c += share.column_step) {
    float of_warp[kMaxWarps];  // read together, added in order
#pragma unroll
    for (int w = 0; w < kMaxWarps; ++w) {
      of_warp[w] = w < warps ? sums[w * warp_stride + c * (kTileOutputs + kSumPadding)] : 0.0f;
    }
    float sum = 0;
#pragma unroll
    for (int w = 0; w < kMaxWarps; ++w) sum += of_warp[w];
    sum = fmaf(sum, share.scale, share.bias);
    const int cell = (c << log_outputs) + share.within;
    if (p.output == ProductOutput::kQueryKeyValue) {
      StoreTarget<kOperand>(targets[cell], sum);
    } else {
      const int64_t at =
          static_cast<int64_t>(columns.first_row + c) * p.matrix.outputs + share.output;
      StoreOutput<kOperand>(p, at, sum,
                            p.output == ProductOutput::kResidual ? residual[cell] : 0.0f);
    }
  }
}

}  // namespace strided::cuda::product

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_RESULTS_CUH_
