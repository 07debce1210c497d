#include "engine/cuda/kernels/embed.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/prefill_inputs.h"
#include "engine/cuda/kernels/row_norm.cuh"

namespace strided::cuda {
namespace {

constexpr int kEmbedThreads = 128;
constexpr int kNormWarps = 8;
constexpr int kLanes = 32;

// One block per row. Bound by writing hidden.
__global__ void __launch_bounds__(kEmbedThreads)
    EmbedRowsKernel(const __grid_constant__ EmbedRows e) {
  WaitForGridBefore();
  LetNextGridStart();
  const PrefillRow row = e.rows.rows[blockIdx.x];
  const RowRun run = e.rows.runs[row.run];
  const int position = run.first_position + static_cast<int>(blockIdx.x) - run.first_row;
  EmbedRow(e.tables, row.input, position, e.sequences[run.slot].start, e.d_model,
           e.hidden + static_cast<int64_t>(blockIdx.x) * e.d_model);
}

template <Operand kOperand>
__device__ __forceinline__ void StoreFour(const float4& y,
                                          typename OperandTraits<kOperand>::Type* to) {
  using Traits = OperandTraits<kOperand>;
  if constexpr (kOperand == Operand::kFloat32) {
    *reinterpret_cast<float4*>(to) = y;
  } else {
    *reinterpret_cast<uint2*>(to) = make_uint2(Traits::Pack(y.x, y.y), Traits::Pack(y.z, y.w));
  }
}

// Bound by reading hidden.
template <Operand kOperand>
__global__ void __launch_bounds__(kNormWarps* kLanes)
    NormRowsKernel(const __grid_constant__ NormRows n) {
  using Traits = OperandTraits<kOperand>;
  WaitForGridBefore();
  LetNextGridStart();
  const int row = blockIdx.x * kNormWarps + threadIdx.x / kLanes;
  if (row >= n.rows) return;
  const int64_t from = n.from == nullptr ? row : n.from[row];
  auto* const out = reinterpret_cast<typename Traits::Type*>(n.out) + row * n.out_stride;
  NormaliseRow(
      n.in + from * n.width, n.width, n.norm, 0, n.width,
      [&](int i, float value) { out[i] = Traits::From(value); },
      [&](int i, const float4& y) { StoreFour<kOperand>(y, out + i); });
}

}  // namespace

absl::Status LaunchEmbedRows(const EmbedRows& embed, bool dependent, cudaStream_t stream) {
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(embed.rows.row_count));
  shape.block = dim3(kEmbedThreads);
  shape.dependent = dependent;
  return Launch("embedding of rows", EmbedRowsKernel, shape, stream, embed);
}

absl::Status LaunchNormRows(const NormRows& norm, Operand operand, bool dependent,
                            cudaStream_t stream) {
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>((norm.rows + kNormWarps - 1) / kNormWarps));
  shape.block = dim3(kNormWarps * kLanes);
  shape.dependent = dependent;
  const auto kernel = operand == Operand::kFloat32   ? NormRowsKernel<Operand::kFloat32>
                      : operand == Operand::kFloat16 ? NormRowsKernel<Operand::kFloat16>
                                                     : NormRowsKernel<Operand::kBfloat16>;
  return Launch("norm of rows", kernel, shape, stream, norm);
}

}  // namespace strided::cuda
