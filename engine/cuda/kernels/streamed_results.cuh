// From a warpgroup's sums to the results of wide_product.h, for streamed_product_kernel.cuh.
//
//   shared [rows][128 bytes of outputs], as CopyTile's tiles lie
// The sums pass through shared memory, kBytes at a time. From there the hardware copies them to the
// results or adds them there, float32, in the second-level cache, while the warpgroup goes on. That
// addition rounds as any other, but takes what is below the least normal number for 0.
// Bound by writing the results.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_STREAMED_RESULTS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_STREAMED_RESULTS_CUH_

#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/tile_copies.cuh"
#include "engine/cuda/kernels/warpgroup.cuh"
#include "engine/cuda/kernels/wide_product.h"

namespace strided::cuda {

template <Operand kOperand, int kRows>
class StreamedResults {
 public:
  using Traits = OperandTraits<kOperand>;
  static constexpr int kColumns = kRows / 8;
  static constexpr int kThreads = 32 * kWarpgroupWarps;
  static constexpr int kOutputs = 64;
  static constexpr int kRowBytes = 128;
  static constexpr int kBytes = 8192;
  static constexpr int kOperandRows = kBytes / kRowBytes;  // that pass at a time
  static constexpr int kFloatRows = kOperandRows / 2;      // in two blocks, of 32 outputs each
  static constexpr int kFloatBlock = kFloatRows * kRowBytes;
  static_assert(kRows % kOperandRows == 0);
  using Sums = float[kColumns][4];  // as in warpgroup.cuh

  // `shared`: kBytes of warpgroup `group`, at a multiple of 1,024. `out` maps the results, in tiles
  // of TileRows(p.output).
  __device__ StreamedResults(uint32_t shared, int group, const CUtensorMap& out)
      : out_(out), shared_(shared), barrier_(group + 1), thread_(threadIdx.x % kThreads) {}

  static constexpr bool StoresFloats(WideOutput output) {
    return output == WideOutput::kResidual || output == WideOutput::kFloat32;
  }
  static constexpr int TileRows(WideOutput output) {
    return StoresFloats(output) ? kFloatRows : kOperandRows;
  }

  // By all threads of the warpgroup; returns before the results are there.
  __device__ __forceinline__ void Store(const WideProduct& p, const Sums& sums, int first_output,
                                        int first_row) const {
    const Place place(p, first_output);
    if (StoresFloats(p.output)) {
      return StoreFloats(p, place, sums, first_output, first_row);
    }
    if (p.output == WideOutput::kOperand) {
      return StoreOperands(p, place, sums, first_output, first_row, [](float y) { return y; });
    }
    StoreActivated(p, place, sums, first_output, first_row);
  }

  // Until all results are there.
  __device__ __forceinline__ void Finish() const {
    if (thread_ == 0) WaitForStores();
  }

 private:
  // Of a lane's sums: two outputs, eight apart.
  struct Place {
    float scale[2];
    float bias[2];

    __device__ __forceinline__ Place(const WideProduct& p, int first_output) {
      const int output = first_output + threadIdx.x % kThreads / 32 * 16 + threadIdx.x % 32 / 4;
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

  // What was put into shared memory before has been read.
  __device__ __forceinline__ void WaitUntilFree() const {
    if (thread_ == 0) WaitForStoresRead();
    SyncThreads(barrier_, kThreads);
  }
  // Everybody's part is there.
  __device__ __forceinline__ void Show() const {
    ShowToProducts();
    SyncThreads(barrier_, kThreads);
  }

  __device__ __forceinline__ void StoreFloats(const WideProduct& p, const Place& place,
                                              const Sums& sums, int first_output,
                                              int first_row) const {
    const int lane = thread_ % 32;
    const int output = thread_ / 32 * 16 + lane / 4;
#pragma unroll
    for (int first = 0; first < kRows; first += kFloatRows) {
      WaitUntilFree();
#pragma unroll
      for (int n = 0; n < kFloatRows / 8; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int row = n * 8 + lane % 4 * 2 + i % 2;
          const int o = output + i / 2 * 8;
          const uint32_t to = shared_ + o / 32 * kFloatBlock + row * kRowBytes +
                              (o % 32 / 4 ^ row % 8) * 16 + o % 4 * 4;
          const float y = place.Value(sums[first / 8 + n][i], i);
          asm volatile("st.shared.f32 [%0], %1;" ::"r"(to), "f"(y) : "memory");
        }
      }
      Show();
      if (thread_ != 0) continue;
#pragma unroll
      for (int block = 0; block < 2; ++block) {
        const uint32_t from = shared_ + block * kFloatBlock;
        if (p.output == WideOutput::kResidual) {
          AddTile(out_, first_output + block * 32, first_row + first, from);
        } else {
          StoreTile(out_, first_output + block * 32, first_row + first, from);
        }
      }
      CommitStores();
    }
  }

  template <typename Function>
  __device__ __forceinline__ void StoreOperands(const WideProduct& p, const Place& place,
                                                const Sums& sums, int first_output, int first_row,
                                                Function&& f) const {
    const int lane = thread_ % 32;
    const int part = thread_ / 32 * 2 + lane / 8 % 2;
    const uint32_t to = shared_ + (lane / 16 * 8 + lane % 8) * kRowBytes + (part ^ lane % 8) * 16;
#pragma unroll
    for (int first = 0; first < kRows; first += kOperandRows) {
      WaitUntilFree();
#pragma unroll
      for (int n = 0; n < kOperandRows / 8; n += 2) {
        uint32_t pairs[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const int i = j % 2 * 2;
          const float* const sum = sums[first / 8 + n + j / 2];
          pairs[j] = Traits::Pack(f(place.Value(sum[i], i)), f(place.Value(sum[i + 1], i + 1)));
        }
        StoreTransposed(to + n * 8 * kRowBytes, pairs);
      }
      Show();
      if (thread_ == 0) {
        StoreTile(out_, first_output, first_row + first, shared_);
        CommitStores();
      }
    }
  }

  __device__ __forceinline__ void StoreActivated(const WideProduct& p, const Place& place,
                                                 const Sums& sums, int first_output,
                                                 int first_row) const {
    VisitActivation(p.activation, [&]<Activation kActivation>() {
      StoreOperands(p, place, sums, first_output, first_row,
                    [](float y) { return Activate(kActivation, y); });
    });
  }

  const CUtensorMap& out_;
  uint32_t shared_;
  int barrier_;
  int thread_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_STREAMED_RESULTS_CUH_
