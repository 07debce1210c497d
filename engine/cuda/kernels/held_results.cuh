// From a warpgroup's sums to the results of wide_product.h, for held_product_kernel.cuh.
//
// They pass through shared memory, where the outputs of a row come to lie side by side: operands
// by stmatrix, all rows at once, floats half of the rows at a time. Bound by writing the results.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_HELD_RESULTS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_HELD_RESULTS_CUH_

#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/float_vector.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/warpgroup.cuh"
#include "engine/cuda/kernels/wide_product.h"

namespace strided::cuda {

template <Operand kOperand, int kRows>
class HeldResults {
 public:
  using Traits = OperandTraits<kOperand>;
  static constexpr int kColumns = kRows / 8;
  static constexpr int kThreads = 32 * kWarpgroupWarps;
  static constexpr int kOutputs = 64;
  static constexpr int kRowBytes = kOutputs * 2;
  static constexpr int kBytes = kRows * kRowBytes;
  using Sums = float[kColumns][4];  // as in warpgroup.cuh

  // `shared`: kBytes of warpgroup `group`, at a multiple of 1,024.
  __device__ HeldResults(uint32_t shared, int group)
      : shared_(shared), barrier_(group + 1), thread_(threadIdx.x % kThreads) {}

  // By all threads of the warpgroup.
  __device__ __forceinline__ void Store(const WideProduct& p, const Sums& sums, int first_output,
                                        int first_row) const {
    const Place place(p, first_output + thread_ / 32 * 16 + thread_ % 32 / 4, first_row);
    switch (p.output) {
      case WideOutput::kResidual:
        return StoreFloats<true>(p, place, sums, first_output);
      case WideOutput::kFloat32:
        return StoreFloats<false>(p, place, sums, first_output);
      case WideOutput::kOperand:
        return StoreOperands(p, place, sums, first_output, [](float y) { return y; });
      case WideOutput::kActivated:
        return StoreActivated(p, place, sums, first_output);
    }
  }

 private:
  // Of a lane's sums: two outputs, eight apart, of the tile's rows.
  struct Place {
    int first_row;
    int rows;  // of the tile that the product has
    float scale[2];
    float bias[2];

    __device__ __forceinline__ Place(const WideProduct& p, int output, int tile_row)
        : first_row(tile_row), rows(min(kRows, p.rows - tile_row)) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int o = output + h * 8;
        const bool inside = o < p.matrix.outputs;
        scale[h] = inside && p.matrix.scales != nullptr ? __ldg(p.matrix.scales + o) : 1.0f;
        bias[h] = inside && p.matrix.bias != nullptr ? __ldg(p.matrix.bias + o) : 0.0f;
      }
    }
    __device__ __forceinline__ float Value(float sum, int i) const {
      return fmaf(sum, scale[i / 2], bias[i / 2]);
    }
  };

  // In halves of the rows: [64 rows][64 outputs] float32 in shared memory, the 16-byte parts of a
  // row exchanged so that the four rows and eight outputs that a warp writes lie in 32 banks.
  static constexpr int kHalfRows = kBytes / (kOutputs * 4);
  static constexpr int kRowParts = kOutputs / 4;
  static __device__ __forceinline__ int FloatPart(int row, int part) {
    return part ^ row / 2 % 4 * 2;
  }

  template <bool kResidual>
  __device__ __forceinline__ void StoreFloats(const WideProduct& p, const Place& place,
                                              const Sums& sums, int first_output) const {
    const int lane = thread_ % 32;
    const int output = thread_ / 32 * 16 + lane / 4;
#pragma unroll
    for (int first = 0; first < kRows; first += kHalfRows) {
      SyncThreads(barrier_, kThreads);  // what was stored before has been read
#pragma unroll
      for (int n = 0; n < kHalfRows / 8; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int row = n * 8 + lane % 4 * 2 + i % 2;
          const int part = FloatPart(row, output / 4 + i / 2 * 2);
          const float y = place.Value(sums[first / 8 + n][i], i);
          asm volatile("st.shared.f32 [%0], %1;" ::"r"(shared_ + row * (kOutputs * 4) + part * 16 +
                                                       output % 4 * 4),
                       "f"(y)
                       : "memory");
        }
      }
      SyncThreads(barrier_, kThreads);
      WriteFloats<kResidual>(p, first_output, place.first_row + first, place.rows - first);
    }
  }

  // Half of the rows, as many threads a row as it has parts.
  template <bool kResidual>
  __device__ __forceinline__ void WriteFloats(const WideProduct& p, int first_output, int first_row,
                                              int rows) const {
    constexpr int kRowsAtOnce = kThreads / kRowParts;
    constexpr int kRounds = kHalfRows / kRowsAtOnce;
    const int output = first_output + thread_ % kRowParts * 4;
    const FloatVector vector(p, output);
    if (vector.count <= 0) return;
    const int thread_row = thread_ / kRowParts;
    float* const out =
        reinterpret_cast<float*>(p.out) + (first_row + thread_row) * p.out_stride + output;
    float4 before[kRounds] = {};
    if constexpr (kResidual) {  // all are read before the first is written
#pragma unroll
      for (int r = 0; r < kRounds; ++r) {
        if (thread_row + r * kRowsAtOnce < rows) {
          before[r] = vector.Read(out + r * kRowsAtOnce * p.out_stride);
        }
      }
    }
#pragma unroll
    for (int r = 0; r < kRounds; ++r) {
      const int row = thread_row + r * kRowsAtOnce;
      if (row >= rows) return;
      const uint4 y =
          ReadShared(shared_ + row * (kOutputs * 4) + FloatPart(row, thread_ % kRowParts) * 16);
      const float4 sum = make_float4(__uint_as_float(y.x), __uint_as_float(y.y),
                                     __uint_as_float(y.z), __uint_as_float(y.w));
      vector.Write(out + r * kRowsAtOnce * p.out_stride,
                   kResidual ? make_float4(before[r].x + sum.x, before[r].y + sum.y,
                                           before[r].z + sum.z, before[r].w + sum.w)
                             : sum);
    }
  }

  template <typename Function>
  __device__ __forceinline__ void StoreOperands(const WideProduct& p, const Place& place,
                                                const Sums& sums, int first_output,
                                                Function&& f) const {
    SyncThreads(barrier_, kThreads);  // what was stored before has been read
    const int lane = thread_ % 32;
    const int part = thread_ / 32 * 2 + lane / 8 % 2;
    const uint32_t to = shared_ + (lane / 16 * 8 + lane % 8) * kRowBytes + (part ^ lane % 8) * 16;
#pragma unroll
    for (int n = 0; n < kColumns; n += 2) {
      uint32_t pairs[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int i = j % 2 * 2;
        const float* const sum = sums[n + j / 2];
        pairs[j] = Traits::Pack(f(place.Value(sum[i], i)), f(place.Value(sum[i + 1], i + 1)));
      }
      StoreTransposed(to + n * 8 * kRowBytes, pairs);
    }
    SyncThreads(barrier_, kThreads);
    WriteRows(p, first_output, place.first_row, place.rows);
  }

  // ldmatrix's way back (stmatrix): matrix j goes, transposed, to the rows whose addresses lanes
  // 8 j ... 8 j + 7 give.
  static __device__ __forceinline__ void StoreTransposed(uint32_t address,
                                                         const uint32_t (&matrices)[4]) {
    asm volatile(
        "stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(address),
        "r"(matrices[0]), "r"(matrices[1]), "r"(matrices[2]), "r"(matrices[3])
        : "memory");
  }

  // Eight threads a row.
  __device__ __forceinline__ void WriteRows(const WideProduct& p, int first_output, int first_row,
                                            int rows) const {
    const int part = thread_ % 8;
    const int output = first_output + part * 8;
    const int count = min(8, p.matrix.outputs - output);
    const bool whole =
        count == 8 && p.out_stride % 8 == 0 && reinterpret_cast<uintptr_t>(p.out) % 16 == 0;
    auto* const out = reinterpret_cast<uint16_t*>(p.out) + first_row * p.out_stride + output;
#pragma unroll 4
    for (int row = thread_ / 8; row < kRows; row += kThreads / 8) {
      if (row >= rows) return;
      const uint4 eight = ReadShared(shared_ + row * kRowBytes + (part ^ row % 8) * 16);
      if (whole) {
        *reinterpret_cast<uint4*>(out + row * p.out_stride) = eight;
        continue;
      }
      const uint32_t pairs[4] = {eight.x, eight.y, eight.z, eight.w};
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        if (i < count) {
          out[row * p.out_stride + i] = static_cast<uint16_t>(pairs[i / 2] >> (i % 2 * 16));
        }
      }
    }
  }

  // One loop for each activation, as in wide_results.cuh.
  __device__ __forceinline__ void StoreActivated(const WideProduct& p, const Place& place,
                                                 const Sums& sums, int first_output) const {
    const auto store = [&]<Activation kActivation>() {
      StoreOperands(p, place, sums, first_output, [](float y) { return Activate(kActivation, y); });
    };
    switch (p.activation) {
      case Activation::kQuickGelu:
        return store.template operator()<Activation::kQuickGelu>();
      case Activation::kGelu:
        return store.template operator()<Activation::kGelu>();
      case Activation::kGeluTanh:
        return store.template operator()<Activation::kGeluTanh>();
      case Activation::kRelu:
        return store.template operator()<Activation::kRelu>();
    }
  }

  uint32_t shared_;
  int barrier_;
  int thread_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_HELD_RESULTS_CUH_
