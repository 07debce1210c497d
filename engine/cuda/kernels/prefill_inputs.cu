#include "engine/cuda/kernels/embed.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/norm_rows.cuh"
#include "engine/cuda/kernels/prefill_inputs.h"

namespace strided::cuda {
namespace {

constexpr int kEmbedThreads = 128;

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
__global__ void __launch_bounds__(RowNorms<kOperand>::kThreads)
    NormRowsKernel(const __grid_constant__ NormRows n) {
  WaitForGridBefore();
  LetNextGridStart();
  RowNorms<kOperand>::Run(n, blockIdx.x);
}

template <Operand kOperand>
absl::Status LaunchNorm(const NormRows& norm, bool dependent, cudaStream_t stream) {
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(RowNorms<kOperand>::Blocks(norm)));
  shape.block = dim3(RowNorms<kOperand>::kThreads);
  shape.dependent = dependent;
  return Launch("norm of rows", NormRowsKernel<kOperand>, shape, stream, norm);
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
  switch (operand) {
    case Operand::kFloat32:
      return LaunchNorm<Operand::kFloat32>(norm, dependent, stream);
    case Operand::kFloat16:
      return LaunchNorm<Operand::kFloat16>(norm, dependent, stream);
    default:
      return LaunchNorm<Operand::kBfloat16>(norm, dependent, stream);
  }
}

}  // namespace strided::cuda
