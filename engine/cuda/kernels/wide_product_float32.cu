#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/weight_packing.h"
#include "engine/cuda/kernels/wide_product_float32.h"

namespace strided::cuda {
namespace {

// One block of 256 threads per 64 outputs x 64 rows; a thread has 4 x 4 of them, 16 apart. Inputs
// pass through shared memory 16 at a time. Bound by the multiply-adds.
constexpr int kSide = 64;
constexpr int kDepth = 16;
constexpr int kThreads = 256;
constexpr int kApart = 16;
constexpr int kOfThread = kSide / kApart;
static_assert(kThreads == kApart * kApart, "threads cover the tile kOfThread x kOfThread times");

struct Tile {
  float weights[kDepth][kSide + 1];
  float rows[kDepth][kSide + 1];
};

__device__ void LoadTile(const WideProduct& p, int first_output, int first_row, int first_input,
                         Tile& tile) {
  const int inputs = PackedSteps(p.matrix.inputs) * kStepInputs;
  const int last_output = PackedTiles(p.matrix.outputs) * kTileOutputs - 1;
  const auto* const weights = reinterpret_cast<const float*>(p.matrix.weights);
  const auto* const in = reinterpret_cast<const float*>(p.in);
  for (int i = threadIdx.x; i < kSide * kDepth; i += kThreads) {
    const int at = i / kDepth;
    const int input = i % kDepth;
    const int output = min(first_output + at, last_output);  // beyond the last: not stored
    const int row = min(first_row + at, p.rows - 1);
    tile.weights[input][at] =
        __ldg(weights + static_cast<int64_t>(output) * inputs + first_input + input);
    tile.rows[input][at] = __ldcg(in + row * p.in_stride + first_input + input);
  }
}

__device__ void Store(const WideProduct& p, int output, int row, float sum) {
  if (output >= p.matrix.outputs || row >= p.rows) return;
  float y = sum;
  if (p.matrix.bias != nullptr) y += p.matrix.bias[output];
  if (p.output == WideOutput::kActivated) y = Activate(p.activation, y);
  float* const to = reinterpret_cast<float*>(p.out) + row * p.out_stride + output;
  *to = p.output == WideOutput::kResidual ? __ldcg(to) + y : y;
}

__global__ void __launch_bounds__(kThreads) WideProductFloat32(const WideProduct p) {
  __shared__ Tile tile;
  WaitForGridBefore();
  LetNextGridStart();
  const int output_tiles = (p.matrix.outputs + kSide - 1) / kSide;
  const int first_output = static_cast<int>(blockIdx.x % output_tiles) * kSide;
  const int first_row = static_cast<int>(blockIdx.x / output_tiles) * kSide;
  const int x = threadIdx.x % kApart;  // of outputs
  const int y = threadIdx.x / kApart;  // of rows
  float sums[kOfThread][kOfThread] = {};
  for (int input = 0; input < p.matrix.inputs; input += kDepth) {
    LoadTile(p, first_output, first_row, input, tile);
    __syncthreads();
    for (int k = 0; k < kDepth; ++k) {
#pragma unroll
      for (int o = 0; o < kOfThread; ++o) {
#pragma unroll
        for (int r = 0; r < kOfThread; ++r) {
          sums[o][r] =
              fmaf(tile.weights[k][x + o * kApart], tile.rows[k][y + r * kApart], sums[o][r]);
        }
      }
    }
    __syncthreads();
  }
  for (int o = 0; o < kOfThread; ++o) {
    for (int r = 0; r < kOfThread; ++r) {
      Store(p, first_output + x + o * kApart, first_row + y + r * kApart, sums[o][r]);
    }
  }
}

}  // namespace

absl::Status LaunchWideProductFloat32(const WideProduct& product, bool dependent,
                                      cudaStream_t stream) {
  const auto tiles = [](int count) { return static_cast<unsigned>((count + kSide - 1) / kSide); };
  LaunchShape shape;
  shape.grid = dim3(tiles(product.matrix.outputs) * tiles(product.rows));
  shape.block = dim3(kThreads);
  shape.dependent = dependent;
  return Launch("wide product, float32", WideProductFloat32, shape, stream, product);
}

}  // namespace strided::cuda
