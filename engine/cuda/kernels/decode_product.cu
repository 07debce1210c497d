#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/decode_product.h"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/row_norm.cuh"
#include "engine/cuda/weight_packing.h"

namespace strided::cuda {
namespace {

constexpr int kGroupSteps = kStepQuantum;                // of mma.m16n8k16
constexpr int kGroupInputs = kGroupSteps * kStepInputs;  // 64
constexpr int kMaxWarps = 16;
constexpr int kRounds = 2;  // groups of a warp that are in flight; staged together
constexpr int kTileColumns = 8;
constexpr int kRowPadding = 8;  // elements: keeps the columns of a staged row in different banks
constexpr int kSumPadding = 4;  // floats: the same for sums

// Where one output of one column goes in the caches.
struct CacheTarget {
  std::byte* first = nullptr;   // null: nowhere
  std::byte* second = nullptr;  // the other home of a summary cell
};

template <Operand kOperand>
__device__ CacheTarget CacheTargetOf(const DecodeProduct& p, int output, int row) {
  using Type = typename OperandTraits<kOperand>::Type;
  const int width = 2 * p.d_key + p.d_value;
  const int head = output / width;
  const int within = output % width;
  const int slot = p.row_states[row].slot;
  if (slot < 0 || within < p.d_key) return {};
  const DeviceSequence& sequence = p.sequences[slot];
  const int position = p.row_states[row].position;
  const int length = sequence.max_length;
  const HeadRows layout = p.heads[head];
  auto* const keys =
      reinterpret_cast<Type*>(sequence.cache + sequence.head_offsets[p.first_head + head]);
  const bool is_key = within < 2 * p.d_key;
  Type* const base = is_key ? keys : keys + static_cast<int64_t>(layout.Rows(length)) * p.d_key;
  const int columns = is_key ? p.d_key : p.d_value;
  const int column = is_key ? within - p.d_key : within - 2 * p.d_key;
  const auto at = [&](int home) -> std::byte* {
    if (home < 0) return nullptr;
    return reinterpret_cast<std::byte*>(base + static_cast<int64_t>(home) * columns + column);
  };
  return {at(layout.Home(position, length)), at(layout.SecondHome(position, length))};
}

template <Operand kOperand>
__device__ void StoreOutput(const DecodeProduct& p, int output, int row, float value,
                            const CacheTarget& target) {
  using Traits = OperandTraits<kOperand>;
  using Type = typename Traits::Type;
  const int64_t at = static_cast<int64_t>(row) * p.matrix.outputs + output;
  switch (p.output) {
    case ProductOutput::kResidual:
      p.hidden[at] = __ldcg(p.hidden + at) + value;
      return;
    case ProductOutput::kActivated:
      reinterpret_cast<Type*>(p.out)[at] = Traits::From(Activate(p.activation, value));
      return;
    case ProductOutput::kLogits:
      reinterpret_cast<float*>(p.out)[at] = value;
      return;
    case ProductOutput::kQueryKeyValue: {
      const int width = 2 * p.d_key + p.d_value;
      const int head = output / width;
      const int within = output % width;
      if (within < p.d_key) {
        const int heads = p.matrix.outputs / width;
        const int64_t query = (static_cast<int64_t>(row) * heads + head) * p.d_key + within;
        reinterpret_cast<float*>(p.out)[query] = value;
        return;
      }
      const Type stored = Traits::From(value);
      if (target.first != nullptr) *reinterpret_cast<Type*>(target.first) = stored;
      if (target.second != nullptr) *reinterpret_cast<Type*>(target.second) = stored;
    }
  }
}

// -- Staging: the inputs of the block's columns, in the operand's type, to shared memory.

template <Operand kOperand>
__device__ void StageNormed(const DecodeProduct& p, int first_row, int columns, int begin, int end,
                            int stride, typename OperandTraits<kOperand>::Type* staged) {
  const int warps = blockDim.x / 32;
  for (int c = threadIdx.x / 32; c < columns; c += warps) {
    const float* const row = p.hidden + static_cast<int64_t>(first_row + c) * p.matrix.inputs;
    auto* const to = staged + c * stride - begin;
    NormaliseRow(row, p.matrix.inputs, p.norm, begin, end,
                 [&](int i, float value) { to[i] = OperandTraits<kOperand>::From(value); });
  }
}

template <Operand kOperand>
__device__ void StageOperand(const DecodeProduct& p, int first_row, int columns, int begin, int end,
                             int stride, typename OperandTraits<kOperand>::Type* staged) {
  using Type = typename OperandTraits<kOperand>::Type;
  constexpr int kVector = 16 / sizeof(Type);
  const int inputs = p.matrix.inputs;
  const auto* const in =
      reinterpret_cast<const Type*>(p.in) + static_cast<int64_t>(first_row) * inputs;
  if (inputs % kVector == 0) {
    const int vectors = (end - begin) / kVector;
    for (int e = threadIdx.x; e < columns * vectors; e += blockDim.x) {
      const int c = e / vectors;
      const int i = e % vectors * kVector;
      const auto* const from =
          reinterpret_cast<const uint4*>(in + static_cast<int64_t>(c) * inputs + begin + i);
      *reinterpret_cast<uint4*>(staged + c * stride + i) = __ldcg(from);
    }
    return;
  }
  const int width = end - begin;
  for (int e = threadIdx.x; e < columns * width; e += blockDim.x) {
    const int c = e / width;
    const int i = e % width;
    staged[c * stride + i] = in[static_cast<int64_t>(c) * inputs + begin + i];
  }
}

// Inputs [begin, end) of the block's columns; zeros beyond the matrix's inputs and rows.
template <Operand kOperand>
__device__ void Stage(const DecodeProduct& p, int first_row, int columns, int all_columns,
                      int begin, int padded_end, int stride,
                      typename OperandTraits<kOperand>::Type* staged) {
  using Traits = OperandTraits<kOperand>;
  const int end = min(padded_end, p.matrix.inputs);
  if (p.normed) {
    StageNormed<kOperand>(p, first_row, columns, begin, end, stride, staged);
  } else {
    StageOperand<kOperand>(p, first_row, columns, begin, end, stride, staged);
  }
  const int padding = padded_end - end;
  for (int e = threadIdx.x; e < columns * padding; e += blockDim.x) {
    staged[e / padding * stride + end - begin + e % padding] = Traits::From(0.0f);
  }
  const int width = padded_end - begin;
  for (int e = threadIdx.x; e < (all_columns - columns) * width; e += blockDim.x) {
    staged[(columns + e / width) * stride + e % width] = Traits::From(0.0f);
  }
}

// -- The weights of a warp: two groups in registers, fetched before they are needed.

template <WeightFormat kFormat, int kTiles>
struct GroupWeights {
  using Unit = WeightUnit<kFormat>;
  static constexpr int kUnits = kGroupSteps / Unit::kSteps;
  uint4 units[kTiles][kUnits];

  __device__ __forceinline__ void Fetch(const DeviceMatrix& matrix, int first_tile, int group,
                                        int steps, int lane) {
    const int tiles = PackedTiles(matrix.outputs);
    if (group * kGroupSteps >= steps) return;
#pragma unroll
    for (int m = 0; m < kTiles; ++m) {
      const int tile = min(first_tile + m, tiles - 1);
#pragma unroll
      for (int u = 0; u < kUnits; ++u) {
        units[m][u] = __ldg(Unit::Address(matrix.weights, tile,
                                          group * kGroupSteps + u * Unit::kSteps, steps, lane));
      }
    }
  }
};

// sums += the group's outputs for the block's columns. `staged` points to the group's first input
// of column 0.
template <WeightFormat kFormat, Operand kOperand, int kTiles, int kColumnTiles>
__device__ __forceinline__ void MultiplyGroup(const GroupWeights<kFormat, kTiles>& weights,
                                              const typename OperandTraits<kOperand>::Type* staged,
                                              int stride, int lane,
                                              float (&sums)[kTiles][kColumnTiles][4]) {
  using Unit = WeightUnit<kFormat>;
  const auto* const mine = staged + lane / 4 * stride + lane % 4 * 2;
#pragma unroll
  for (int step = 0; step < kGroupSteps; ++step) {
    uint32_t b[kColumnTiles][2];
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
      const auto* const at = mine + n * kTileColumns * stride + step * kStepInputs;
      b[n][0] = *reinterpret_cast<const uint32_t*>(at);
      b[n][1] = *reinterpret_cast<const uint32_t*>(at + 8);
    }
#pragma unroll
    for (int m = 0; m < kTiles; ++m) {
      uint32_t a[4];
      Unit::Fragment(weights.units[m][step / Unit::kSteps], step % Unit::kSteps, a);
#pragma unroll
      for (int n = 0; n < kColumnTiles; ++n) {
        MultiplyTile<kOperand>(sums[m][n], a, b[n][0], b[n][1]);
      }
    }
  }
}

// Sums of one warp to shared memory, [column][output].
template <int kTiles, int kColumnTiles>
__device__ __forceinline__ void ShareSums(const float (&sums)[kTiles][kColumnTiles][4], int lane,
                                          float* shared) {
  constexpr int kStride = kTiles * kTileOutputs + kSumPadding;
#pragma unroll
  for (int m = 0; m < kTiles; ++m) {
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int column = n * kTileColumns + lane % 4 * 2 + i % 2;
        const int output = m * kTileOutputs + lane / 4 + i / 2 * 8;
        shared[column * kStride + output] = sums[m][n][i];
      }
    }
  }
}

struct SharedLayout {
  int stride = 0;        // elements between columns of the staged inputs
  size_t sum_bytes = 0;  // of one warp
  size_t target_at = 0;  // where the cache targets start
  size_t bytes = 0;      // in all
};

__host__ __device__ inline SharedLayout LayoutOf(int warps, int groups, int outputs, int columns,
                                                 int element_bytes, bool targets) {
  SharedLayout layout;
  const int staged_groups = groups < warps * kRounds ? groups : warps * kRounds;
  layout.stride = staged_groups * kGroupInputs + kRowPadding;
  const auto staged = static_cast<size_t>(columns) * layout.stride * element_bytes;
  layout.sum_bytes = static_cast<size_t>(columns) * (outputs + kSumPadding) * sizeof(float);
  const size_t sums = layout.sum_bytes * warps;  // share the memory of the staged inputs
  layout.target_at = ((staged > sums ? staged : sums) + 15) / 16 * 16;
  layout.bytes = layout.target_at;
  if (targets) layout.bytes += static_cast<size_t>(outputs) * columns * sizeof(CacheTarget);
  return layout;
}

// Grid: (tiles of outputs, tiles of columns). Block: ProductWarps(inputs) warps.
template <WeightFormat kFormat, Operand kOperand, int kTiles, int kColumnTiles>
__global__ void __launch_bounds__(32 * kMaxWarps)
    DecodeProductKernel(const __grid_constant__ DecodeProduct p) {
  using Type = typename OperandTraits<kOperand>::Type;
  constexpr int kOutputs = kTiles * kTileOutputs;
  constexpr int kColumns = kColumnTiles * kTileColumns;
  extern __shared__ __align__(16) std::byte shared[];
  const int warps = blockDim.x / 32;
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int steps = PackedSteps(p.matrix.inputs);
  const int groups = steps / kGroupSteps;
  const int first_output = blockIdx.x * kOutputs;
  const int first_row = blockIdx.y * kColumns;
  const int columns = min(kColumns, p.rows - first_row);
  const bool caches = p.output == ProductOutput::kQueryKeyValue;
  const SharedLayout layout = LayoutOf(warps, groups, kOutputs, kColumns, sizeof(Type), caches);

  // Before the wait: all that the grid before this one does not write.
  GroupWeights<kFormat, kTiles> weights[kRounds];
#pragma unroll
  for (int r = 0; r < kRounds; ++r) {
    weights[r].Fetch(p.matrix, blockIdx.x * kTiles, r * warps + warp, steps, lane);
  }
  auto* const targets = reinterpret_cast<CacheTarget*>(shared + layout.target_at);
  const int cells = kOutputs * columns;
  if (caches) {
    for (int e = threadIdx.x; e < cells; e += blockDim.x) {
      const int output = first_output + e % kOutputs;
      targets[e] = output < p.matrix.outputs
                       ? CacheTargetOf<kOperand>(p, output, first_row + e / kOutputs)
                       : CacheTarget{};
    }
  }
  WaitForGridBefore();
  LetNextGridStart();

  auto* const staged = reinterpret_cast<Type*>(shared);
  float sums[kTiles][kColumnTiles][4] = {};
  for (int first = 0; first < groups; first += kRounds * warps) {
    const int last = min(first + kRounds * warps, groups);
    if (first > 0) __syncthreads();
    Stage<kOperand>(p, first_row, columns, kColumns, first * kGroupInputs, last * kGroupInputs,
                    layout.stride, staged);
    __syncthreads();
#pragma unroll
    for (int r = 0; r < kRounds; ++r) {
      const int group = first + r * warps + warp;
      if (group < groups) {
        MultiplyGroup<kFormat, kOperand>(weights[r], staged + (group - first) * kGroupInputs,
                                         layout.stride, lane, sums);
        weights[r].Fetch(p.matrix, blockIdx.x * kTiles, group + kRounds * warps, steps, lane);
      }
    }
  }
  __syncthreads();
  ShareSums(sums, lane, reinterpret_cast<float*>(shared + warp * layout.sum_bytes));
  __syncthreads();
  for (int e = threadIdx.x; e < cells; e += blockDim.x) {
    const int column = e / kOutputs;
    const int output = first_output + e % kOutputs;
    if (output >= p.matrix.outputs) continue;
    float sum = 0;
    for (int w = 0; w < warps; ++w) {
      sum += reinterpret_cast<const float*>(
          shared + w * layout.sum_bytes)[column * (kOutputs + kSumPadding) + e % kOutputs];
    }
    if (p.matrix.scales != nullptr) sum *= p.matrix.scales[output];
    if (p.matrix.bias != nullptr) sum += p.matrix.bias[output];
    StoreOutput<kOperand>(p, output, first_row + column, sum, caches ? targets[e] : CacheTarget{});
  }
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
  const CacheTarget target = p.output == ProductOutput::kQueryKeyValue
                                 ? CacheTargetOf<Operand::kFloat32>(p, output, row)
                                 : CacheTarget{};
  StoreOutput<Operand::kFloat32>(p, output, row, sum, target);
}

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

template <WeightFormat kFormat, Operand kOperand, int kTiles, int kColumnTiles>
absl::Status LaunchTile(const DecodeProduct& product, cudaStream_t stream) {
  const int warps = ProductWarps(product.matrix.inputs);
  const SharedLayout layout =
      LayoutOf(warps, PackedSteps(product.matrix.inputs) / kGroupSteps, kTiles * kTileOutputs,
               kColumnTiles * kTileColumns, OperandBytes(kOperand),
               product.output == ProductOutput::kQueryKeyValue);
  LaunchShape shape;
  shape.grid = dim3(CeilDivide(PackedTiles(product.matrix.outputs), kTiles),
                    CeilDivide(product.rows, kColumnTiles * kTileColumns));
  shape.block = dim3(32 * warps);
  shape.shared_bytes = layout.bytes;
  shape.dependent = true;
  return Launch("decode product", DecodeProductKernel<kFormat, kOperand, kTiles, kColumnTiles>,
                shape, stream, product);
}

template <WeightFormat kFormat, Operand kOperand>
absl::Status LaunchFormat(const DecodeProduct& product, const ProductTile& tile,
                          cudaStream_t stream) {
  if (tile.output_tiles == 2) return LaunchTile<kFormat, kOperand, 2, 4>(product, stream);
  if (tile.column_tiles == 4) return LaunchTile<kFormat, kOperand, 1, 4>(product, stream);
  if (tile.column_tiles == 2) return LaunchTile<kFormat, kOperand, 1, 2>(product, stream);
  return LaunchTile<kFormat, kOperand, 1, 1>(product, stream);
}

absl::Status LaunchFloat32(const DecodeProduct& product, cudaStream_t stream) {
  constexpr int kWarps = 8;
  LaunchShape shape;
  shape.grid = dim3(CeilDivide(product.matrix.outputs, kWarps), product.rows);
  shape.block = dim3(32 * kWarps);
  shape.shared_bytes = static_cast<size_t>(product.matrix.inputs) * sizeof(float);
  shape.dependent = true;
  return Launch("float32 decode product", Float32ProductKernel, shape, stream, product);
}

}  // namespace

ProductTile ChooseProductTile(int outputs, int rows, int multiprocessors) {
  ProductTile tile;
  tile.column_tiles = rows <= kTileColumns ? 1 : rows <= 2 * kTileColumns ? 2 : 4;
  if (tile.column_tiles < 4) return tile;
  const int column_blocks = CeilDivide(rows, tile.column_tiles * kTileColumns);
  const int blocks = PackedTiles(outputs) * column_blocks;
  tile.output_tiles = blocks >= 2 * multiprocessors ? 2 : 1;
  return tile;
}

int ProductWarps(int inputs) { return std::min(kMaxWarps, PackedSteps(inputs) / kGroupSteps); }

absl::Status LaunchDecodeProduct(const DecodeProduct& product, int multiprocessors,
                                 cudaStream_t stream) {
  const ProductTile tile = ChooseProductTile(product.matrix.outputs, product.rows, multiprocessors);
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
