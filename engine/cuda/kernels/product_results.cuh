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

// Reads what earlier steps have written.
template <Operand kOperand>
__device__ __forceinline__ Place PlaceOf(const DecodeProduct& p, int row, int head) {
  const DecodeRow state = p.row_states[row];
  if (state.slot < 0) return {};
  if (p.fresh != nullptr) {
    const int64_t pair = static_cast<int64_t>(row) * p.n_head + head;
    using Type = typename OperandTraits<kOperand>::Type;
    return {p.fresh + pair * (p.d_key + p.d_value) * sizeof(Type)};
  }
  const DeviceSequence& sequence = p.sequences[state.slot];
  return {sequence.cache + sequence.head_offsets[p.first_head + head], state.position,
          sequence.max_length};
}

// `rows` are those of the output's head.
template <Operand kOperand>
__device__ __forceinline__ Target TargetOf(const DecodeProduct& p, const HeadOutput& output,
                                           const HeadRows& rows, const Place& place, int row) {
  using Type = typename OperandTraits<kOperand>::Type;
  Target target;
  if (output.within < p.d_key) {
    const int64_t query = static_cast<int64_t>(row) * p.n_head + output.head;
    target.query = reinterpret_cast<float*>(p.out) + query * p.d_key + output.within;
    return target;
  }
  if (place.keys == nullptr) return target;
  auto* const keys = reinterpret_cast<Type*>(place.keys);
  if (p.fresh != nullptr) {
    target.first = reinterpret_cast<std::byte*>(keys + output.within - p.d_key);
    return target;
  }
  const bool is_key = output.within < 2 * p.d_key;
  Type* const base = is_key ? keys : keys + static_cast<int64_t>(rows.Rows(place.length)) * p.d_key;
  const int columns = is_key ? p.d_key : p.d_value;
  const int column = output.within - (is_key ? p.d_key : 2 * p.d_key);
  const auto at = [&](int home) -> std::byte* {
    if (home < 0) return nullptr;
    return reinterpret_cast<std::byte*>(base + static_cast<int64_t>(home) * columns + column);
  };
  target.first = at(rows.Home(place.position, place.length));
  target.second = at(rows.SecondHome(place.position, place.length));
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

// The places of the block's columns and heads: all at once, for it is a chain of reads.
template <Operand kOperand>
__device__ __forceinline__ void FindPlaces(const DecodeProduct& p, const Columns& columns,
                                           int log_outputs, Place* places) {
  const int heads = HeadsOf(p, 1 << log_outputs);
  const int first = HeadOutputOf(p, static_cast<int>(blockIdx.x) << log_outputs).head;
  for (int i = threadIdx.x; i < columns.count * heads; i += blockDim.x) {
    const int head = min(first + i % heads, p.n_head - 1);
    places[i] = PlaceOf<kOperand>(p, columns.first_row + i / heads, head);
  }
}

// Where the thread's results go, for it alone. After a barrier behind FindPlaces.
template <Operand kOperand>
__device__ __forceinline__ void FindTargets(const DecodeProduct& p, const Columns& columns,
                                            const Share& share, int log_outputs,
                                            const Place* places, Target* targets) {
  if (share.output >= p.matrix.outputs) return;
  const int heads = HeadsOf(p, 1 << log_outputs);
  const int first = HeadOutputOf(p, static_cast<int>(blockIdx.x) << log_outputs).head;
  const HeadOutput output = HeadOutputOf(p, share.output);
  const HeadRows rows = p.heads[output.head];
#pragma unroll 1
  for (int c = share.first_column; c < columns.count; c += share.column_step) {
    const Place place = places[c * heads + output.head - first];
    targets[(c << log_outputs) + share.within] =
        TargetOf<kOperand>(p, output, rows, place, columns.first_row + c);
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

// With the sums of up to half as many warps as a block may have, `first` and those behind it: read
// together, added in their order.
__device__ __forceinline__ float AddWarps(float sum, const float* sums, int first, int warps,
                                          int warp_stride) {
  float of_warp[kMaxWarps / 2];
#pragma unroll
  for (int w = 0; w < kMaxWarps / 2; ++w) {
    of_warp[w] = first + w < warps ? sums[(first + w) * warp_stride] : 0.0f;
  }
#pragma unroll
  for (const float part : of_warp) sum += part;
  return sum;
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
    const float* const of_column = sums + c * (kTileOutputs + kSumPadding);
    float sum = 0;
#pragma unroll
    for (int first = 0; first < kMaxWarps; first += kMaxWarps / 2) {
      if (first < warps) sum = AddWarps(sum, of_column, first, warps, warp_stride);
    }
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
