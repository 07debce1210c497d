// The layer norm of many rows (prefill_inputs.h), as a part of a kernel.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_NORM_ROWS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_NORM_ROWS_CUH_

#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/prefill_inputs.h"
#include "engine/cuda/kernels/row_norm.cuh"

namespace strided::cuda {

// One warp a row. Bound by reading the rows.
template <Operand kOperand>
struct RowNorms {
  using Traits = OperandTraits<kOperand>;
  using Type = typename Traits::Type;
  static constexpr int kRows = 8;  // of a block
  static constexpr int kThreads = kRows * 32;

  static int Blocks(const NormRows& n) { return (n.rows + kRows - 1) / kRows; }

  // Block `block` of Blocks(n), by kThreads threads. Reads what earlier grids write. The last rows
  // come first: they were written last, and may still be in the second-level cache.
  static __device__ __forceinline__ void Run(const NormRows& n, int block) {
    const int row = n.rows - 1 - (block * kRows + static_cast<int>(threadIdx.x) / 32);
    if (row < 0) return;
    const int64_t from = n.from == nullptr ? row : n.from[row];
    auto* const out = reinterpret_cast<Type*>(n.out) + row * n.out_stride;
    NormaliseRow(
        n.in + from * n.width, n.width, n.norm, 0, n.width,
        [&](int i, float value) { out[i] = Traits::From(value); },
        [&](int i, const float4& y) { StoreFour(y, out + i); });
  }

 private:
  static __device__ __forceinline__ void StoreFour(const float4& y, Type* to) {
    if constexpr (kOperand == Operand::kFloat32) {
      *reinterpret_cast<float4*>(to) = y;
    } else {
      *reinterpret_cast<uint2*>(to) = make_uint2(Traits::Pack(y.x, y.y), Traits::Pack(y.z, y.w));
    }
  }
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_NORM_ROWS_CUH_
