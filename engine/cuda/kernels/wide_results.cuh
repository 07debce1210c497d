// From a tile's sums to the results of wide_product.h.
//
//   shared [kRows][kOutputs + 4] float32
// In registers a lane has single outputs of single rows. The sums pass through shared memory, so
// that four neighbouring outputs of a row are written at once, and a warp writes hundreds of
// contiguous bytes. Pitch: 4 floats from a multiple of 16, so that the eight outputs and four rows
// that a warp writes at a time lie in 32 banks. Bound by writing the results.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_WIDE_RESULTS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_WIDE_RESULTS_CUH_

#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/float_vector.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/wide_product.h"

namespace strided::cuda {

template <Operand kOperand, int kOutputs, int kRows, int kThreads>
struct WideResults {
  static constexpr int kPitch = kOutputs + 4;
  static constexpr int kLanesOfRow = kOutputs / 4;
  static constexpr int kRowsAtOnce = kThreads / kLanesOfRow;
  static constexpr int kBatch = 8;  // rows of a thread whose loads are in flight together
  static constexpr int kSharedBytes = kRows * kPitch * static_cast<int>(sizeof(float));
  static_assert(kPitch % 16 == 4);
  static_assert(kThreads % kLanesOfRow == 0 && kRows % (kRowsAtOnce * kBatch) == 0);

  // The sums of a warp whose outputs and rows start at `output` and `row` of the tile.
  template <int kWarpTiles, int kColumns>
  static __device__ __forceinline__ void Share(const float (&sums)[kWarpTiles][kColumns][4],
                                               int output, int row, float* shared) {
    const int lane = threadIdx.x % 32;
    float* const to = shared + (row + lane % 4 * 2) * kPitch + output + lane / 4;
#pragma unroll
    for (int m = 0; m < kWarpTiles; ++m) {
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          to[(n * 8 + i % 2) * kPitch + m * 16 + i / 2 * 8] = sums[m][n][i];
        }
      }
    }
  }

  // Stores what Share has left of the tile, after a barrier. By all threads.
  static __device__ __forceinline__ void Store(const WideProduct& p, int first_output,
                                               int first_row, const float* shared) {
    const Results results(p, first_output, first_row, shared);
    if (results.count <= 0) return;
    switch (p.output) {
      case WideOutput::kResidual:
        return results.template StoreFloats<true>(p);
      case WideOutput::kFloat32:
        return results.template StoreFloats<false>(p);
      case WideOutput::kOperand:
        return results.StoreOperands(p, [](float y) { return y; });
      case WideOutput::kActivated:
        return results.StoreActivated(p);
    }
  }

 private:
  // A thread's: outputs output, ..., output + 3 of each kRowsAtOnce-th row.
  struct Results : FloatVector {
    int output;
    int row;   // of the product
    int rows;  // of the product, within the tile: up to this one
    const float* sums;
    float scale[4];
    float bias[4];

    __device__ __forceinline__ Results(const WideProduct& p, int first_output, int first_row,
                                       const float* shared)
        : FloatVector(p, first_output + static_cast<int>(threadIdx.x) % kLanesOfRow * 4) {
      const int within = static_cast<int>(threadIdx.x) % kLanesOfRow * 4;
      const int within_row = static_cast<int>(threadIdx.x) / kLanesOfRow;
      output = first_output + within;
      row = first_row + within_row;
      rows = min(p.rows, first_row + kRows);
      sums = shared + within_row * kPitch + within;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const bool scaled = i < count && p.matrix.scales != nullptr;
        const bool biased = i < count && p.matrix.bias != nullptr;
        scale[i] = scaled ? __ldg(p.matrix.scales + output + i) : 1.0f;
        bias[i] = biased ? __ldg(p.matrix.bias + output + i) : 0.0f;
      }
    }

    // scale * sum + bias of the row `ahead` rows further.
    __device__ __forceinline__ float4 Row(int ahead) const {
      const float4 sum = *reinterpret_cast<const float4*>(sums + ahead * kPitch);
      return make_float4(fmaf(sum.x, scale[0], bias[0]), fmaf(sum.y, scale[1], bias[1]),
                         fmaf(sum.z, scale[2], bias[2]), fmaf(sum.w, scale[3], bias[3]));
    }

    using FloatVector::Write;

    __device__ __forceinline__ void Write(uint16_t* to, const float4& y) const {
      using Traits = OperandTraits<kOperand>;
      const uint2 pairs = make_uint2(Traits::Pack(y.x, y.y), Traits::Pack(y.z, y.w));
      if (whole) {
        *reinterpret_cast<uint2*>(to) = pairs;
        return;
      }
      to[0] = static_cast<uint16_t>(pairs.x);
      if (count > 1) to[1] = static_cast<uint16_t>(pairs.x >> 16);
      if (count > 2) to[2] = static_cast<uint16_t>(pairs.y);
      if (count > 3) to[3] = static_cast<uint16_t>(pairs.y >> 16);
    }

    template <bool kResidual>
    __device__ __forceinline__ void StoreFloats(const WideProduct& p) const {
      float* const out = reinterpret_cast<float*>(p.out) + row * p.out_stride + output;
#pragma unroll 1
      for (int first = 0; first < kRows; first += kRowsAtOnce * kBatch) {
        float4 before[kBatch] = {};
        if constexpr (kResidual) {  // all are read before the first is written
#pragma unroll
          for (int b = 0; b < kBatch; ++b) {
            const int ahead = first + b * kRowsAtOnce;
            if (row + ahead < rows) before[b] = Read(out + ahead * p.out_stride);
          }
        }
#pragma unroll
        for (int b = 0; b < kBatch; ++b) {
          const int ahead = first + b * kRowsAtOnce;
          if (row + ahead >= rows) return;
          float4 y = Row(ahead);
          if constexpr (kResidual) {
            y = make_float4(before[b].x + y.x, before[b].y + y.y, before[b].z + y.z,
                            before[b].w + y.w);
          }
          Write(out + ahead * p.out_stride, y);
        }
      }
    }

    template <typename Function>
    __device__ __forceinline__ void StoreOperands(const WideProduct& p, Function&& f) const {
      uint16_t* const out = reinterpret_cast<uint16_t*>(p.out) + row * p.out_stride + output;
#pragma unroll 4
      for (int ahead = 0; ahead < kRows; ahead += kRowsAtOnce) {
        if (row + ahead >= rows) return;
        const float4 y = Row(ahead);
        Write(out + ahead * p.out_stride, make_float4(f(y.x), f(y.y), f(y.z), f(y.w)));
      }
    }

    __device__ __forceinline__ void StoreActivated(const WideProduct& p) const {
      VisitActivation(p.activation, [&]<Activation kActivation>() {
        StoreOperands(p, [](float y) { return Activate(kActivation, y); });
      });
    }
  };
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_WIDE_RESULTS_CUH_
