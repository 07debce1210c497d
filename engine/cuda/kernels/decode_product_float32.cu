#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/decode_product_float32.h"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/product_results.cuh"
#include "engine/cuda/kernels/row_norm.cuh"
#include "engine/cuda/kernels/weight_packing.h"

namespace strided::cuda {
namespace {

using namespace product;

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
    const HeadOutput of = HeadOutputOf(p, output);
    const Place place = PlaceOf<Operand::kFloat32>(p, row, of.head);
    StoreTarget<Operand::kFloat32>(TargetOf<Operand::kFloat32>(p, of, p.heads[of.head], place, row),
                                   sum);
    return;
  }
  const int64_t at = static_cast<int64_t>(row) * p.matrix.outputs + output;
  const bool adds = p.output == ProductOutput::kResidual;
  StoreOutput<Operand::kFloat32>(p, at, sum, adds ? __ldcg(p.hidden + at) : 0.0f);
}

}  // namespace

absl::Status LaunchDecodeProductFloat32(const DecodeProduct& product, cudaStream_t stream) {
  constexpr int kWarps = 8;
  LaunchShape shape;
  shape.grid = dim3((product.matrix.outputs + kWarps - 1) / kWarps, product.rows);
  shape.block = dim3(32 * kWarps);
  shape.shared_bytes = static_cast<size_t>(product.matrix.inputs) * sizeof(float);
  shape.dependent = true;
  shape.in_decode_step = true;
  return Launch("float32 decode product", Float32ProductKernel, shape, stream, product);
}

}  // namespace strided::cuda
