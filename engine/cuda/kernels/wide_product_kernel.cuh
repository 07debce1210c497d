// The tensor-core kernel of wide_product.h.
//
//   weights [tile][step][lane][8], packed                   in  [rows][in_stride], 16-bit
// One block per tile of outputs x rows; a warp has kWarpTiles * 16 outputs and kWarpRows rows of
// it. Blocks of 64 inputs of both sides pass through a ring of kStages in shared memory: weights as
// they are packed, so that a lane reads its fragment in 16 bytes; rows with their 16-byte parts
// exchanged (part ^ row % 8), so that ldmatrix meets no bank twice. Sums: float32, steps in order.
// Bound by the tensor cores; 2 bytes * (outputs + rows) of a tile come from L2 per input.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_WIDE_PRODUCT_KERNEL_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_WIDE_PRODUCT_KERNEL_CUH_

#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/weight_packing.h"
#include "engine/cuda/kernels/wide_product.h"

namespace strided::cuda {

template <WideTile kTile>
struct WideShape;

template <>
struct WideShape<WideTile::kLarge> {
  static constexpr int kWarpsAcrossOutputs = 4, kWarpsAcrossRows = 2;
  static constexpr int kStages = 3, kBlocksPerMultiprocessor = 1;
};
template <>
struct WideShape<WideTile::kMedium> {
  static constexpr int kWarpsAcrossOutputs = 2, kWarpsAcrossRows = 2;
  static constexpr int kStages = 3, kBlocksPerMultiprocessor = 2;
};
template <>
struct WideShape<WideTile::kSmall> {
  static constexpr int kWarpsAcrossOutputs = 2, kWarpsAcrossRows = 2;
  static constexpr int kStages = 4, kBlocksPerMultiprocessor = 3;
};

template <WeightFormat kFormat, WideTile kTile>
struct WideKernel : WideShape<kTile> {
  using Shape = WideShape<kTile>;
  static constexpr Operand kOperand =
      kFormat == WeightFormat::kFloat16 ? Operand::kFloat16 : Operand::kBfloat16;
  static constexpr int kOutputs = SizeOf(kTile).outputs;
  static constexpr int kRows = SizeOf(kTile).rows;
  static constexpr int kTiles = kOutputs / kTileOutputs;
  static constexpr int kThreads = 32 * Shape::kWarpsAcrossOutputs * Shape::kWarpsAcrossRows;
  static constexpr int kWarpTiles = kTiles / Shape::kWarpsAcrossOutputs;
  static constexpr int kWarpRows = kRows / Shape::kWarpsAcrossRows;
  static constexpr int kColumns = kWarpRows / 8;  // of the mma shape, 8 rows each
  static_assert(kColumns % 2 == 0, "one ldmatrix serves two");

  static constexpr int kSteps = kStepQuantum;  // of a stage
  static constexpr int kUnitSteps = WeightUnit<kFormat>::kSteps;
  static constexpr int kUnits = kSteps / kUnitSteps * 32;  // 16 bytes each, of a tile and stage
  static constexpr int kRowBytes = kSteps * kStepInputs * 2;
  static_assert(kRowBytes == 128, "eight parts, exchanged by the row's number mod 8");
  static constexpr int kWeightBytes = kTiles * kUnits * 16;
  static constexpr int kStageBytes = kWeightBytes + kRows * kRowBytes;
  static constexpr int kSharedBytes = kStageBytes * Shape::kStages;

  // -- Copies into a stage.

  static __device__ __forceinline__ void CopyWeights(const WideProduct& p, int first_tile,
                                                     int stage_index, uint32_t stage) {
    const int steps = PackedSteps(p.matrix.inputs);
    const int last_tile = PackedTiles(p.matrix.outputs) - 1;
#pragma unroll
    for (int i = threadIdx.x; i < kTiles * kUnits; i += kThreads) {
      const int tile = min(first_tile + i / kUnits, last_tile);  // beyond the last: not stored
      const int step = stage_index * kSteps;
      const uint4* const from =
          WeightUnit<kFormat>::Address(p.matrix.weights, tile, step, steps, 0) + i % kUnits;
      CopyAsync(stage + i * 16, from, true);
    }
  }

  static __device__ __forceinline__ void CopyRows(const WideProduct& p, int first_row,
                                                  int stage_index, uint32_t stage) {
    const auto* const in = reinterpret_cast<const uint16_t*>(p.in) + stage_index * (kRowBytes / 2);
#pragma unroll
    for (int i = threadIdx.x; i < kRows * 8; i += kThreads) {
      const int row = i / 8;
      const int part = i % 8;
      const int from_row = min(first_row + row, p.rows - 1);  // beyond the last: not stored
      CopyAsync(stage + kWeightBytes + row * kRowBytes + ((part ^ row % 8) * 16),
                in + from_row * p.in_stride + part * 8, true);
    }
  }

  // -- Products of a stage.

  struct Fragments {
    uint4 unit[kWarpTiles];
    uint32_t rows[kColumns / 2][4];  // two columns: low and high inputs of each
  };

  static __device__ __forceinline__ void LoadFragments(uint32_t stage, int step, int warp_tile,
                                                       int warp_row, Fragments& to) {
    const int lane = threadIdx.x % 32;
    if (step % kUnitSteps == 0) {
#pragma unroll
      for (int m = 0; m < kWarpTiles; ++m) {
        const uint32_t from =
            stage + ((warp_tile + m) * kUnits + step / kUnitSteps * 32 + lane) * 16;
        asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];"
                     : "=r"(to.unit[m].x), "=r"(to.unit[m].y), "=r"(to.unit[m].z),
                       "=r"(to.unit[m].w)
                     : "r"(from)
                     : "memory");
      }
    }
    const int row = warp_row + lane / 16 * 8 + lane % 8;
    const int part = step * 2 + lane / 8 % 2;
    const uint32_t from = stage + kWeightBytes + row * kRowBytes + ((part ^ row % 8) * 16);
#pragma unroll
    for (int n = 0; n < kColumns / 2; ++n) LoadMatrices(to.rows[n], from + n * 16 * kRowBytes);
  }

  using Sums = float[kWarpTiles][kColumns][4];

  static __device__ __forceinline__ void Multiply(const Fragments& fragments, int step,
                                                  Sums& sums) {
#pragma unroll
    for (int m = 0; m < kWarpTiles; ++m) {
      uint32_t a[4];
      WeightUnit<kFormat>::Fragment(fragments.unit[m], step % kUnitSteps, a);
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
        const uint32_t* const b = fragments.rows[n / 2] + n % 2 * 2;
        MultiplyTile<kOperand>(sums[m][n], a, b[0], b[1]);
      }
    }
  }

  static __device__ __forceinline__ void MultiplyStage(uint32_t stage, int warp_tile, int warp_row,
                                                       Sums& sums) {
    Fragments fragments[2];
    LoadFragments(stage, 0, warp_tile, warp_row, fragments[0]);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if (step + 1 < kSteps) {
        Fragments& next = fragments[(step + 1) % 2];
        if ((step + 1) % kUnitSteps != 0) {
#pragma unroll
          for (int m = 0; m < kWarpTiles; ++m) next.unit[m] = fragments[step % 2].unit[m];
        }
        LoadFragments(stage, step + 1, warp_tile, warp_row, next);
      }
      Multiply(fragments[step % 2], step, sums);
    }
  }

  // -- Results.

  // Scale and bias of a lane's two outputs in a tile of 16: `output` and `output` + 8.
  struct OutputTerms {
    float scale[2];
    float bias[2];
  };
  static __device__ __forceinline__ OutputTerms TermsOf(const DeviceMatrix& matrix, int output) {
    OutputTerms terms;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int at = output + half * 8;
      const bool inside = at < matrix.outputs;
      terms.scale[half] = inside && matrix.scales != nullptr ? matrix.scales[at] : 1.0f;
      terms.bias[half] = inside && matrix.bias != nullptr ? matrix.bias[at] : 0.0f;
    }
    return terms;
  }

  // Float32 rows: 8 lanes write 8 outputs of a row, 32 bytes.
  static __device__ __forceinline__ void StoreFloats(const WideProduct& p, int output, int row,
                                                     const float (&y)[4]) {
    auto* const out = reinterpret_cast<float*>(p.out);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int to_row = row + i % 2;
      const int to_output = output + i / 2 * 8;
      if (to_row >= p.rows || to_output >= p.matrix.outputs) continue;
      float* const to = out + to_row * p.out_stride + to_output;
      *to = p.output == WideOutput::kResidual ? __ldcg(to) + y[i] : y[i];
    }
  }

  // Rows of the operand's type: the sums lie by output; transposed, a lane has two neighbouring
  // outputs of one row.
  static __device__ __forceinline__ void StoreOperands(const WideProduct& p, int first_output,
                                                       int first_row, const float (&y)[4]) {
    using Traits = OperandTraits<kOperand>;
    const int lane = threadIdx.x % 32;
    const int row = first_row + lane / 4;
    auto* const out = reinterpret_cast<uint16_t*>(p.out);
    __syncwarp();
    const uint32_t pairs[2] = {Transpose(Traits::Pack(y[0], y[1])),
                               Transpose(Traits::Pack(y[2], y[3]))};
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int output = first_output + half * 8 + lane % 4 * 2;
      uint16_t* const to = out + row * p.out_stride + output;
      if (row < p.rows && output + 1 < p.matrix.outputs) {
        *reinterpret_cast<uint32_t*>(to) = pairs[half];
      } else if (row < p.rows && output < p.matrix.outputs) {
        *to = static_cast<uint16_t>(pairs[half]);
      }
    }
  }

  static __device__ __forceinline__ void StoreSums(const WideProduct& p, int first_output,
                                                   int first_row, const Sums& sums) {
    const int lane = threadIdx.x % 32;
    const bool floats = p.output == WideOutput::kResidual || p.output == WideOutput::kFloat32;
#pragma unroll
    for (int m = 0; m < kWarpTiles; ++m) {
      const int tile_output = first_output + m * kTileOutputs;
      if (tile_output >= p.matrix.outputs) return;
      const OutputTerms terms = TermsOf(p.matrix, tile_output + lane / 4);
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
        float y[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          y[i] = fmaf(sums[m][n][i], terms.scale[i / 2], terms.bias[i / 2]);
          if (p.output == WideOutput::kActivated) y[i] = Activate(p.activation, y[i]);
        }
        if (floats) {
          StoreFloats(p, tile_output + lane / 4, first_row + n * 8 + lane % 4 * 2, y);
        } else {
          StoreOperands(p, tile_output, first_row + n * 8, y);
        }
      }
    }
  }

  // -- Main loop.

  static __device__ __forceinline__ void Run(const WideProduct& p, uint32_t shared) {
    const int output_tiles = (p.matrix.outputs + kOutputs - 1) / kOutputs;
    const int first_output = static_cast<int>(blockIdx.x % output_tiles) * kOutputs;
    const int first_row = static_cast<int>(blockIdx.x / output_tiles) * kRows;
    const int first_tile = first_output / kTileOutputs;
    const int stages = PackedSteps(p.matrix.inputs) / kSteps;
    const int warp = threadIdx.x / 32;
    const int warp_tile = warp / Shape::kWarpsAcrossRows * kWarpTiles;
    const int warp_row = warp % Shape::kWarpsAcrossRows * kWarpRows;

    // Weights do not depend on the grid before.
    constexpr int kAhead = Shape::kStages - 1;
    for (int s = 0; s < kAhead && s < stages; ++s) {
      CopyWeights(p, first_tile, s, shared + s * kStageBytes);
    }
    WaitForGridBefore();
    LetNextGridStart();
    for (int s = 0; s < kAhead; ++s) {
      if (s < stages) CopyRows(p, first_row, s, shared + s * kStageBytes);
      CommitCopies();
    }

    Sums sums = {};
    for (int s = 0; s < stages; ++s) {
      WaitForCopies<kAhead - 1>();
      __syncthreads();  // stage s has arrived for all; all are done with stage s - 1
      if (s + kAhead < stages) {
        const uint32_t to = shared + (s + kAhead) % Shape::kStages * kStageBytes;
        CopyWeights(p, first_tile, s + kAhead, to);
        CopyRows(p, first_row, s + kAhead, to);
      }
      CommitCopies();
      MultiplyStage(shared + s % Shape::kStages * kStageBytes, warp_tile, warp_row, sums);
    }
    StoreSums(p, first_output + warp_tile * kTileOutputs, first_row + warp_row, sums);
  }
};

template <WeightFormat kFormat, WideTile kTile>
__global__ void __launch_bounds__(WideKernel<kFormat, kTile>::kThreads,
                                  WideKernel<kFormat, kTile>::kBlocksPerMultiprocessor)
    WideProductKernel(const __grid_constant__ WideProduct p) {
  extern __shared__ __align__(128) std::byte shared[];
  WideKernel<kFormat, kTile>::Run(p, SharedAddress(shared));
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_WIDE_PRODUCT_KERNEL_CUH_
