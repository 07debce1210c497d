#include <algorithm>
#include <cstddef>

#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/decode_product.h"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/row_norm.cuh"
#include "engine/cuda/kernels/weight_packing.h"

namespace strided::cuda {
namespace {

constexpr int kGroupSteps = kStepQuantum;                // of mma.m16n8k16
constexpr int kGroupInputs = kGroupSteps * kStepInputs;  // 64
constexpr int kMaxWarps = 16;
constexpr int kRounds = 2;  // groups of a warp that are in flight; staged together
constexpr int kTileColumns = 8;
constexpr int kLogTileOutputs = 4;
constexpr int kRowPadding = 8;  // elements: keeps the columns of a staged row in different banks
constexpr int kSumPadding = 4;  // floats: the same for sums

// Where one output of one column of queries, keys and values goes; null: nowhere.
struct Target {
  float* query = nullptr;
  std::byte* first = nullptr;   // in the caches
  std::byte* second = nullptr;  // the other home of a summary cell
};

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

// -- Staging: the inputs of the block's columns, in the operand's type, to shared memory.

// A block's columns: rows first_row... of the step. The columns of its fragments beyond `count` are
// zeros.
struct Columns {
  int first_row;
  int count;
};

// How a product's inputs are made. A kernel has the code of one way alone: a step's kernels run
// each instruction once, so that what fetches instructions is fetched for nothing otherwise.
enum class Staging { kOperand, kNormed256, kNormed512, kNormed1024, kNormedAny };

Staging StagingOf(const DecodeProduct& p) {
  if (!p.normed) return Staging::kOperand;
  if (p.norm.weight == nullptr || !IsHeld(p.matrix.inputs)) return Staging::kNormedAny;
  if (p.matrix.inputs <= 256) return Staging::kNormed256;
  return p.matrix.inputs <= 512 ? Staging::kNormed512 : Staging::kNormed1024;
}

// kRows rows to a warp at a time.
template <Operand kOperand, int kVectors, int kRows>
__device__ __forceinline__ void StageHeld(const DecodeProduct& p, const DeviceNorm& norm,
                                          const Columns& columns, int begin, int end, int stride,
                                          typename OperandTraits<kOperand>::Type* staged) {
  const int64_t width = p.matrix.inputs;
  const int warps = blockDim.x / 32;
#pragma unroll 1
  for (int c = threadIdx.x / 32 * kRows; c < columns.count; c += warps * kRows) {
    const float* const rows = p.hidden + (columns.first_row + c) * width;
    auto* const to = staged + c * stride - begin;
    NormaliseHeld<kVectors, kRows>(rows, width, min(kRows, columns.count - c), p.matrix.inputs,
                                   norm, begin, end, [&](int r, int i, const float4& y) {
                                     using Traits = OperandTraits<kOperand>;
                                     const uint2 packed =
                                         make_uint2(Traits::Pack(y.x, y.y), Traits::Pack(y.z, y.w));
                                     *reinterpret_cast<uint2*>(to + r * stride + i) = packed;
                                   });
  }
}

template <Operand kOperand>
__device__ __forceinline__ void StageAny(const DecodeProduct& p, const DeviceNorm& norm,
                                         const Columns& columns, int begin, int end, int stride,
                                         typename OperandTraits<kOperand>::Type* staged) {
  const int width = p.matrix.inputs;
#pragma unroll 1
  for (int c = threadIdx.x / 32; c < columns.count; c += blockDim.x / 32) {
    auto* const to = staged + c * stride - begin;
    NormaliseRow(p.hidden + static_cast<int64_t>(columns.first_row + c) * width, width, norm, begin,
                 end, [&](int i, float value) { to[i] = OperandTraits<kOperand>::From(value); });
  }
}

template <Operand kOperand>
__device__ __forceinline__ void StageOperand(const DecodeProduct& p, const Columns& columns,
                                             int begin, int end, int stride,
                                             typename OperandTraits<kOperand>::Type* staged) {
  using Type = typename OperandTraits<kOperand>::Type;
  constexpr int kVector = 16 / sizeof(Type);
  const int64_t inputs = p.matrix.inputs;
  const auto* const in = reinterpret_cast<const Type*>(p.in) + columns.first_row * inputs + begin;
  const int warps = blockDim.x / 32;
  const int lane = threadIdx.x % 32;
#pragma unroll 1
  for (int c = threadIdx.x / 32; c < columns.count; c += warps) {
    const Type* const from = in + c * inputs;
    Type* const to = staged + c * stride;
    if (inputs % kVector == 0) {
      for (int i = lane * kVector; i < end - begin; i += 32 * kVector) {
        CopyAsync(SharedAddress(to + i), from + i, /*valid=*/true);
      }
    } else {
#pragma unroll 1
      for (int i = lane; i < end - begin; i += 32) to[i] = from[i];
    }
  }
}

template <Operand kOperand, Staging kStaging, int kColumnTiles>
__device__ __forceinline__ void Stage(const DecodeProduct& p, const DeviceNorm& norm,
                                      const Columns& columns, int begin, int end, int stride,
                                      typename OperandTraits<kOperand>::Type* staged) {
  if constexpr (kStaging == Staging::kOperand) {
    StageOperand<kOperand>(p, columns, begin, end, stride, staged);
  } else if constexpr (kStaging == Staging::kNormed256) {
    constexpr int kRows = kColumnTiles == 4 ? 4 : 2;
    StageHeld<kOperand, 2, kRows>(p, norm, columns, begin, end, stride, staged);
  } else if constexpr (kStaging == Staging::kNormed512) {
    constexpr int kRows = kColumnTiles == 1 ? 1 : 2;
    StageHeld<kOperand, 4, kRows>(p, norm, columns, begin, end, stride, staged);
  } else if constexpr (kStaging == Staging::kNormed1024) {
    StageHeld<kOperand, 8, 1>(p, norm, columns, begin, end, stride, staged);
  } else {
    StageAny<kOperand>(p, norm, columns, begin, end, stride, staged);
  }
}

// Zeros where a step goes beyond the matrix's inputs: weights are zeros there, but what shared
// memory holds may be no number.
template <Operand kOperand>
__device__ __forceinline__ void StagePadding(const Columns& columns, int inputs, int padded,
                                             int stride,
                                             typename OperandTraits<kOperand>::Type* staged) {
  const int padding = padded - inputs;
#pragma unroll 1
  for (int e = threadIdx.x; e < columns.count * padding; e += blockDim.x) {
    staged[e / padding * stride + inputs + e % padding] = OperandTraits<kOperand>::From(0.0f);
  }
}

// -- The weights of a warp: two groups in registers, fetched before they are needed.

template <WeightFormat kFormat>
struct GroupWeights {
  using Unit = WeightUnit<kFormat>;
  static constexpr int kUnits = kGroupSteps / Unit::kSteps;
  uint4 units[kUnits];

  __device__ __forceinline__ void Fetch(const DeviceMatrix& matrix, int tile, int group, int steps,
                                        int lane) {
    if (group * kGroupSteps >= steps || tile >= PackedTiles(matrix.outputs)) return;
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      units[u] = __ldg(
          Unit::Address(matrix.weights, tile, group * kGroupSteps + u * Unit::kSteps, steps, lane));
    }
  }
};

// sums += the group's outputs for the block's columns. `staged` points to the group's first input
// of column 0.
template <WeightFormat kFormat, Operand kOperand, int kColumnTiles>
__device__ __forceinline__ void MultiplyGroup(const GroupWeights<kFormat>& weights,
                                              const typename OperandTraits<kOperand>::Type* staged,
                                              int stride, int columns, int lane,
                                              float (&sums)[kColumnTiles][4]) {
  using Unit = WeightUnit<kFormat>;
  const auto* const mine = staged + lane / 4 * stride + lane % 4 * 2;
#pragma unroll
  for (int step = 0; step < kGroupSteps; ++step) {
    uint32_t a[4];
    Unit::Fragment(weights.units[step / Unit::kSteps], step % Unit::kSteps, a);
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
      uint32_t b[2] = {0, 0};
      if (n * kTileColumns + lane / 4 < columns) {
        const auto* const at = mine + n * kTileColumns * stride + step * kStepInputs;
        b[0] = *reinterpret_cast<const uint32_t*>(at);
        b[1] = *reinterpret_cast<const uint32_t*>(at + 8);
      }
      MultiplyTile<kOperand>(sums[n], a, b[0], b[1]);
    }
  }
}

// Sums of one warp to shared memory, [column][output].
template <int kColumnTiles>
__device__ __forceinline__ void ShareSums(const float (&sums)[kColumnTiles][4], int lane,
                                          float* shared) {
  constexpr int kStride = kTileOutputs + kSumPadding;
#pragma unroll
  for (int n = 0; n < kColumnTiles; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int column = n * kTileColumns + lane % 4 * 2 + i % 2;
      shared[column * kStride + lane / 4 + i / 2 * 8] = sums[n][i];
    }
  }
}

// The block's shared memory, in bytes from its start; parts that a product does not need are empty.
struct SharedLayout {
  int stride = 0;     // elements between columns of the staged inputs, which come first
  int sums = 0;       // [warp][column][output of a tile + padding] float32
  int warp_sums = 0;  // bytes of one warp's
  int targets = 0;    // [column][output]
  int residual = 0;   // [column][output] float32
  int norm = 0;       // weight, then bias, [inputs] float32 each
  int bytes = 0;      // in all
};

// `warps` share the inputs of a tile of outputs, of which the block has `tiles`.
__host__ __device__ inline SharedLayout LayoutOf(const DecodeProduct& p, int warps, int tiles,
                                                 int columns, int element_bytes) {
  const auto aligned = [](int bytes) { return (bytes + 15) / 16 * 16; };
  const int groups = PackedSteps(p.matrix.inputs) / kGroupSteps;
  const int staged_groups = groups < warps * kRounds ? groups : warps * kRounds;
  const int outputs = tiles * kTileOutputs;
  const int cells = outputs * columns;
  SharedLayout layout;
  layout.stride = staged_groups * kGroupInputs + kRowPadding;
  layout.sums = aligned(columns * layout.stride * element_bytes);
  layout.warp_sums = columns * (kTileOutputs + kSumPadding) * static_cast<int>(sizeof(float));
  layout.targets = layout.sums + layout.warp_sums * warps * tiles;
  const bool targets = p.output == ProductOutput::kQueryKeyValue;
  layout.residual = layout.targets + (targets ? cells * static_cast<int>(sizeof(Target)) : 0);
  const bool residual = p.output == ProductOutput::kResidual;
  layout.norm = layout.residual + (residual ? cells * static_cast<int>(sizeof(float)) : 0);
  const bool norm = p.normed && p.norm.weight != nullptr && IsHeld(p.matrix.inputs);
  layout.bytes = layout.norm + (norm ? 2 * p.matrix.inputs * static_cast<int>(sizeof(float)) : 0);
  return layout;
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

// The norm's vectors to shared memory; the norm with their place there.
__device__ __forceinline__ DeviceNorm FetchNorm(const DeviceNorm& norm, int width, float* shared) {
#pragma unroll 1
  for (int i = threadIdx.x * 4; i < width; i += blockDim.x * 4) {
    *reinterpret_cast<float4*>(shared + i) = *reinterpret_cast<const float4*>(norm.weight + i);
    *reinterpret_cast<float4*>(shared + width + i) =
        *reinterpret_cast<const float4*>(norm.bias + i);
  }
  DeviceNorm moved = norm;
  moved.weight = shared;
  moved.bias = shared + width;
  return moved;
}

// Asks the second-level cache for what the block will read in the next layer: the same part of a
// matrix of the same size.
__device__ __forceinline__ void Prefetch(const std::byte* from, int64_t bytes) {
  constexpr int kLine = 128;
#pragma unroll 1
  for (int64_t i = threadIdx.x * kLine; i < bytes; i += blockDim.x * kLine) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(from + i));
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
    sum = sum * share.scale + share.bias;
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

// Grid: (output tiles / tiles of a block, column tiles). Block: `warps` warps share the inputs of a
// tile of outputs, of which it has 2^log_tiles.
template <WeightFormat kFormat, Operand kOperand, Staging kStaging, int kColumnTiles>
__global__ void __launch_bounds__(32 * kMaxWarps)
    DecodeProductKernel(const __grid_constant__ DecodeProduct p, int warps, int log_tiles) {
  using Type = typename OperandTraits<kOperand>::Type;
  constexpr int kColumns = kColumnTiles * kTileColumns;
  extern __shared__ __align__(16) std::byte shared[];
  if (!p.ends_step) LetNextGridStart();
  const int warp = threadIdx.x / 32 % warps;
  const int tile = (blockIdx.x << log_tiles) + threadIdx.x / 32 / warps;
  const int lane = threadIdx.x % 32;
  const int steps = PackedSteps(p.matrix.inputs);
  const int groups = steps / kGroupSteps;
  const int log_outputs = kLogTileOutputs + log_tiles;
  const int first_row = blockIdx.y * kColumns;
  const Columns columns = {first_row, min(kColumns, p.rows - first_row)};
  const SharedLayout layout = LayoutOf(p, warps, 1 << log_tiles, kColumns, sizeof(Type));
  auto* const staged = reinterpret_cast<Type*>(shared);

  GroupWeights<kFormat> weights[kRounds];
#pragma unroll
  for (int r = 0; r < kRounds; ++r) {
    weights[r].Fetch(p.matrix, tile, r * warps + warp, steps, lane);
  }
  const Share share = ShareOf(p, log_outputs);
  if (kStaging != Staging::kOperand && p.output == ProductOutput::kQueryKeyValue) {
    FindTargets<kOperand>(p, columns, share, log_outputs,
                          reinterpret_cast<Target*>(shared + layout.targets));
  }
  constexpr bool kNormIsShared = kStaging != Staging::kOperand && kStaging != Staging::kNormedAny;
  DeviceNorm norm = p.norm;
  if constexpr (kNormIsShared) {
    norm = FetchNorm(norm, p.matrix.inputs, reinterpret_cast<float*>(shared + layout.norm));
  }
  if (p.next_weights != nullptr && blockIdx.y == 0) {
    const int64_t tile_bytes =
        int64_t{kTileOutputs} * steps * kStepInputs * WeightTraits<kFormat>::kBytes;
    const int block_tiles = min(1 << log_tiles, PackedTiles(p.matrix.outputs) -
                                                    (static_cast<int>(blockIdx.x) << log_tiles));
    Prefetch(p.next_weights + (static_cast<int64_t>(blockIdx.x) << log_tiles) * tile_bytes,
             block_tiles * tile_bytes);
  }
  if constexpr (kNormIsShared) __syncthreads();
  WaitForGridBefore();
  if (p.ends_step) LetNextGridStart();

  if (kStaging == Staging::kOperand && p.output == ProductOutput::kResidual) {
    FetchResidual(p, columns, share, log_outputs,
                  reinterpret_cast<float*>(shared + layout.residual));
  }
  float sums[kColumnTiles][4] = {};
#pragma unroll 1
  for (int first = 0; first < groups; first += kRounds * warps) {
    const int last = min(first + kRounds * warps, groups);
    const int begin = first * kGroupInputs;
    const int end = min(last * kGroupInputs, p.matrix.inputs);
    if (first > 0) __syncthreads();
    Stage<kOperand, kStaging, kColumnTiles>(p, norm, columns, begin, end, layout.stride, staged);
    if (end < last * kGroupInputs) {
      StagePadding<kOperand>(columns, end - begin, last * kGroupInputs - begin, layout.stride,
                             staged);
    }
    CommitCopies();
    WaitForCopies<0>();
    __syncthreads();
#pragma unroll
    for (int r = 0; r < kRounds; ++r) {
      const int group = first + r * warps + warp;
      if (group >= groups) continue;
      MultiplyGroup<kFormat, kOperand>(weights[r], staged + (group - first) * kGroupInputs,
                                       layout.stride, columns.count, lane, sums);
      weights[r].Fetch(p.matrix, tile, group + kRounds * warps, steps, lane);
    }
  }
  ShareSums(sums, lane,
            reinterpret_cast<float*>(shared + layout.sums + threadIdx.x / 32 * layout.warp_sums));
  __syncthreads();
  Conclude<kOperand>(p, layout, columns, share, log_outputs, warps, shared);
}

// Float32, for checks: one warp per output and row, lanes over the inputs, then a tree of lanes.
__global__ void __launch_bounds__(256)
    Float32ProductKernel(const __grid_constant__ DecodeProduct p) {
  extern __shared__ __align__(16) std::byte shared[];
  auto* const in = reinterpret_cast<float*>(shared);  // [inputs]
  WaitForGridBefore();
  LetNextGridStart();
  const int row = blockIdx.y;
  const int inputs = p.matrix.inputs;
  const int lane = threadIdx.x % 32;
  if (!p.normed) {
    const auto* const from = reinterpret_cast<const float*>(p.in);
    for (int i = threadIdx.x; i < inputs; i += blockDim.x) {
      in[i] = __ldcg(from + static_cast<int64_t>(row) * inputs + i);
    }
  } else if (threadIdx.x < 32) {
    NormaliseRow(p.hidden + static_cast<int64_t>(row) * inputs, inputs, p.norm, 0, inputs,
                 [&](int i, float value) { in[i] = value; });
  }
  __syncthreads();
  const int output = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (output >= p.matrix.outputs) return;
  const int64_t padded = static_cast<int64_t>(PackedSteps(inputs)) * kStepInputs;
  const auto* const weights = reinterpret_cast<const float*>(p.matrix.weights) + output * padded;
  float sum = 0;
  for (int i = lane; i < inputs; i += 32) sum = fmaf(weights[i], in[i], sum);
  sum = WarpSum(sum);
  if (lane != 0) return;
  if (p.matrix.bias != nullptr) sum += p.matrix.bias[output];
  if (p.output == ProductOutput::kQueryKeyValue) {
    StoreTarget<Operand::kFloat32>(TargetOf<Operand::kFloat32>(p, HeadOutputOf(p, output), row),
                                   sum);
    return;
  }
  const int64_t at = static_cast<int64_t>(row) * p.matrix.outputs + output;
  const bool adds = p.output == ProductOutput::kResidual;
  StoreOutput<Operand::kFloat32>(p, at, sum, adds ? __ldcg(p.hidden + at) : 0.0f);
}

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

template <WeightFormat kFormat, Operand kOperand, Staging kStaging, int kColumnTiles>
absl::Status LaunchTile(const DecodeProduct& product, int log_output_tiles, cudaStream_t stream) {
  const int warps = ProductWarps(product.matrix.inputs);
  const int tiles = 1 << log_output_tiles;
  const SharedLayout layout =
      LayoutOf(product, warps, tiles, kColumnTiles * kTileColumns, OperandBytes(kOperand));
  LaunchShape shape;
  shape.grid = dim3(CeilDivide(PackedTiles(product.matrix.outputs), tiles),
                    CeilDivide(product.rows, kColumnTiles * kTileColumns));
  shape.block = dim3(32 * warps * tiles);
  shape.shared_bytes = static_cast<size_t>(layout.bytes);
  shape.dependent = true;
  shape.in_decode_step = true;
  return Launch("decode product", DecodeProductKernel<kFormat, kOperand, kStaging, kColumnTiles>,
                shape, stream, product, warps, log_output_tiles);
}

template <WeightFormat kFormat, Operand kOperand, Staging kStaging>
absl::Status LaunchStaging(const DecodeProduct& product, const ProductTile& tile,
                           cudaStream_t stream) {
  const int outputs = tile.log_output_tiles;
  switch (tile.column_tiles) {
    case 1:
      return LaunchTile<kFormat, kOperand, kStaging, 1>(product, outputs, stream);
    case 2:
      return LaunchTile<kFormat, kOperand, kStaging, 2>(product, outputs, stream);
    default:
      return LaunchTile<kFormat, kOperand, kStaging, 4>(product, outputs, stream);
  }
}

template <WeightFormat kFormat, Operand kOperand>
absl::Status LaunchFormat(const DecodeProduct& product, const ProductTile& tile,
                          cudaStream_t stream) {
  switch (StagingOf(product)) {
    case Staging::kOperand:
      return LaunchStaging<kFormat, kOperand, Staging::kOperand>(product, tile, stream);
    case Staging::kNormed256:
      return LaunchStaging<kFormat, kOperand, Staging::kNormed256>(product, tile, stream);
    case Staging::kNormed512:
      return LaunchStaging<kFormat, kOperand, Staging::kNormed512>(product, tile, stream);
    case Staging::kNormed1024:
      return LaunchStaging<kFormat, kOperand, Staging::kNormed1024>(product, tile, stream);
    case Staging::kNormedAny:
      return LaunchStaging<kFormat, kOperand, Staging::kNormedAny>(product, tile, stream);
  }
  return absl::InternalError("no such staging");
}

absl::Status LaunchFloat32(const DecodeProduct& product, cudaStream_t stream) {
  constexpr int kWarps = 8;
  LaunchShape shape;
  shape.grid = dim3(CeilDivide(product.matrix.outputs, kWarps), product.rows);
  shape.block = dim3(32 * kWarps);
  shape.shared_bytes = static_cast<size_t>(product.matrix.inputs) * sizeof(float);
  shape.dependent = true;
  shape.in_decode_step = true;
  return Launch("float32 decode product", Float32ProductKernel, shape, stream, product);
}

}  // namespace

ProductTile ChooseProductTile(const ProductShape& shape, int multiprocessors) {
  const int warps = ProductWarps(shape.inputs);
  ProductTile tile;
  const auto blocks = [&] {
    return CeilDivide(PackedTiles(shape.outputs), 1 << tile.log_output_tiles) *
           CeilDivide(shape.rows, tile.column_tiles * kTileColumns);
  };
  while (tile.column_tiles < 4 && tile.column_tiles * kTileColumns < shape.rows &&
         blocks() > 2 * multiprocessors) {
    tile.column_tiles *= 2;
  }
  const int enough = shape.normed && tile.column_tiles == 4 ? multiprocessors : 2 * multiprocessors;
  while (tile.log_output_tiles < 2 && warps << (tile.log_output_tiles + 1) <= kMaxWarps &&
         blocks() > enough) {
    ++tile.log_output_tiles;
  }
  return tile;
}

int ProductWarps(int inputs) { return std::min(kMaxWarps, PackedSteps(inputs) / kGroupSteps); }

absl::Status LaunchDecodeProduct(const DecodeProduct& product, int multiprocessors,
                                 cudaStream_t stream) {
  const ProductTile tile = ChooseProductTile({.outputs = product.matrix.outputs,
                                              .inputs = product.matrix.inputs,
                                              .rows = product.rows,
                                              .normed = product.normed},
                                             multiprocessors);
  switch (product.format) {
    case WeightFormat::kFloat32:
      return LaunchFloat32(product, stream);
    case WeightFormat::kFloat16:
      return LaunchFormat<WeightFormat::kFloat16, Operand::kFloat16>(product, tile, stream);
    case WeightFormat::kBfloat16:
      return LaunchFormat<WeightFormat::kBfloat16, Operand::kBfloat16>(product, tile, stream);
    case WeightFormat::kInt8:
      return LaunchFormat<WeightFormat::kInt8, Operand::kBfloat16>(product, tile, stream);
    case WeightFormat::kFloat8:
      return LaunchFormat<WeightFormat::kFloat8, Operand::kBfloat16>(product, tile, stream);
  }
  return absl::InternalError("no product for this weight format");
}

}  // namespace strided::cuda
