#include <cstddef>
#include <cstdint>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/norm_once.h"
#include "engine/cuda/kernels/row_norm.cuh"
#include "engine/cuda/kernels/visit_format.h"

namespace strided::cuda {
namespace {

constexpr int kNormWarps = 4;

// One warp a row.
template <Operand kOperand>
__global__ void __launch_bounds__(32 * kNormWarps)
    NormOnceKernel(const __grid_constant__ DecodeProduct p) {
  using Traits = OperandTraits<kOperand>;
  __shared__ __align__(16) float weight[kHeldWidth];
  __shared__ __align__(16) float bias[kHeldWidth];
  LetNextGridStart();
  DeviceNorm norm = p.norm;
  if (norm.weight != nullptr &&
      IsHeld(p.matrix.inputs)) {  // what does not depend on the grid before
    for (int i = threadIdx.x * 4; i < p.matrix.inputs; i += 4 * 32 * kNormWarps) {
      *reinterpret_cast<float4*>(weight + i) =
          __ldg(reinterpret_cast<const float4*>(norm.weight + i));
      *reinterpret_cast<float4*>(bias + i) = __ldg(reinterpret_cast<const float4*>(norm.bias + i));
    }
    norm.weight = weight;
    norm.bias = bias;
  }
  __syncthreads();
  WaitForGridBefore();
  const int64_t row = blockIdx.x * kNormWarps + threadIdx.x / 32;
  if (row >= p.rows) return;
  const int width = p.matrix.inputs;
  auto* const out = reinterpret_cast<typename Traits::Type*>(p.normed_rows) + row * width;
  NormaliseRow(
      p.hidden + row * width, width, norm, 0, width,
      [&](int i, float value) { out[i] = Traits::From(value); },
      [&](int i, const float4& y) {
        const uint2 packed = make_uint2(Traits::Pack(y.x, y.y), Traits::Pack(y.z, y.w));
        *reinterpret_cast<uint2*>(out + i) = packed;
      });
}

}  // namespace

absl::StatusOr<DecodeProduct> NormOnce(const DecodeProduct& product, cudaStream_t stream) {
  if (!product.normed) return product;
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>((product.rows + kNormWarps - 1) / kNormWarps));
  shape.block = dim3(32 * kNormWarps);
  shape.dependent = true;
  shape.in_decode_step = true;
  RETURN_IF_ERROR(VisitFormat(product.format, [&]<WeightFormat kFormat, Operand kOperand>() {
    return Launch("norm of a step", NormOnceKernel<kOperand>, shape, stream, product);
  }));
  DecodeProduct of_normed = product;
  of_normed.normed = false;
  of_normed.in = product.normed_rows;
  return of_normed;
}

}  // namespace strided::cuda
