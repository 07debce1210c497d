// From the sums of a warpgroup to where they go (decode_product_warpgroup.cuh): as
// product_results.cuh. Lane 4 g + t of a warp has outputs g and g + 8 of the warp's 16, of columns
// 2t and 2t + 1 of each tile of 8.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_WARPGROUP_RESULTS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_WARPGROUP_RESULTS_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/product_results.cuh"
#include "engine/cuda/kernels/product_warpgroup_sizes.cuh"

namespace strided::cuda::warpgroup {

template <class S>
class WarpgroupResults {
 public:
  using Memory = typename S::Memory;
  using Totals = float[S::kOwned][4];

  // Of the block's outputs from `first_output` on and its columns from row `first_row` on; it owns
  // the tiles from column `first_column` on.
  __device__ __forceinline__ WarpgroupResults(const DecodeProduct& p, int first_output,
                                              int first_row, int first_column, Memory& memory)
      : p_(p),
        memory_(memory),
        thread_(static_cast<int>(threadIdx.x)),
        warp_(thread_ / 32),
        lane_(thread_ % 32),
        first_output_(first_output),
        first_row_(first_row),
        lane_row_(first_row + first_column + lane_ % 4 * 2) {}

  // What does not depend on the grid before. What it leaves in shared memory is for all threads,
  // after a barrier.
  __device__ __forceinline__ void Find() {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int output = FirstOf(half) + lane_ / 4;
      scale_[half] = p_.matrix.scales != nullptr ? __ldg(p_.matrix.scales + output) : 1.0f;
      bias_[half] = p_.matrix.bias != nullptr ? __ldg(p_.matrix.bias + output) : 0.0f;
      if constexpr (S::kScatters) of_head_[half] = product::HeadOutputOf(p_, FirstOf(half));
    }
    if constexpr (S::kScatters) FindHomes();
  }

  // After the wait, behind the product.
  __device__ __forceinline__ void ReadResidual() {
    const float* const from = HiddenOfLane();
    VisitSums(p_.matrix.outputs,
              [&](int tile, int i, int at) { residual_[tile][i] = __ldcg(from + at); });
  }

  // By all threads together.
  __device__ __forceinline__ void Store(Totals& totals) const {
#pragma unroll
    for (auto& of_tile : totals) {
#pragma unroll
      for (int i = 0; i < 4; ++i) of_tile[i] = fmaf(of_tile[i], scale_[i / 2], bias_[i / 2]);
    }
    if constexpr (S::kAdds) {
      StoreResidual(totals);
    } else {
      if constexpr (S::kScatters) {
        StoreQueries(totals);
      } else {
        ActivateAll(totals);
      }
      Share(totals);
      __syncthreads();
      StoreParts();
    }
  }

 private:
  using Traits = typename S::Traits;
  using Type = typename S::Type;

  // The first output of a half of the warp's.
  __device__ __forceinline__ int FirstOf(int half) const {
    return first_output_ + warp_ * kTileOutputs + half * kHalf;
  }

  // Of one column and some parts a thread, since it is a chain of reads.
  __device__ __forceinline__ void FindHomes() const {
    constexpr int kPartsOfThread = kParts * S::kColumns / kThreads;
    const int column = thread_ % S::kColumns;
    const int row = first_row_ + column;
    int head = -1;
    product::Place place;  // of the row and this head
#pragma unroll 1
    for (int i = 0; i < kPartsOfThread; ++i) {
      const int part = thread_ / S::kColumns * kPartsOfThread + i;
      const auto output = product::HeadOutputOf(p_, first_output_ + part * kHalf);
      product::Target target;
      if (row < p_.rows && output.within >= p_.d_key) {
        if (output.head != head) place = product::PlaceOf<S::kOperand>(p_, row, output.head);
        head = output.head;
        target = product::TargetOf<S::kOperand>(p_, output, p_.heads[head], place, row);
      }
      memory_.homes[part][column] = {target.first, target.second};
    }
  }

  // Calls visit(tile, i, at) for each of the thread's results whose row there is: `at` counts from
  // the thread's first one, where rows are `stride` apart.
  template <typename Visit>
  __device__ __forceinline__ void VisitSums(int stride, Visit&& visit) const {
    const int rows = p_.rows - lane_row_;
#pragma unroll
    for (int tile = 0; tile < S::kOwned; ++tile) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = tile * kTileColumns + i % 2;
        if (row < rows) visit(tile, i, row * stride + i / 2 * kHalf);
      }
    }
  }

  __device__ __forceinline__ float* HiddenOfLane() const {
    return p_.hidden + static_cast<int64_t>(lane_row_) * p_.matrix.outputs + FirstOf(0) + lane_ / 4;
  }
  __device__ __forceinline__ void StoreResidual(const Totals& y) const {
    float* const to = HiddenOfLane();
    VisitSums(p_.matrix.outputs,
              [&](int tile, int i, int at) { to[at] = residual_[tile][i] + y[tile][i]; });
  }

  __device__ __forceinline__ void StoreQueries(const Totals& y) const {
    const int stride = p_.n_head * p_.d_key;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (of_head_[half].within >= p_.d_key) continue;
      auto* const to = reinterpret_cast<float*>(p_.out) + static_cast<int64_t>(lane_row_) * stride +
                       of_head_[half].head * p_.d_key + of_head_[half].within + lane_ / 4;
      VisitSums(stride, [&](int tile, int i, int at) {
        if (i / 2 == half) to[at - half * kHalf] = y[tile][i];
      });
    }
  }

  __device__ __forceinline__ void ActivateAll(Totals& y) const {
    VisitActivation(p_.activation, [&]<Activation kActivation>() {
#pragma unroll
      for (auto& of_tile : y) {
#pragma unroll
        for (float& value : of_tile) value = Activate(kActivation, value);
      }
    });
  }

  __device__ __forceinline__ uint32_t PartAt(int column, int part) const {
    return SharedAddress(memory_.results[column]) + (part ^ column % 8) * 16;
  }

  // The warp's results, of all columns.
  __device__ __forceinline__ void Share(const Totals& y) const {
    static_assert(S::kOwned % 2 == 0, "four matrices are two tiles");
    const uint32_t to = PartAt(lane_ / 16 * kTileColumns + lane_ % 8, warp_ * 2 + lane_ / 8 % 2);
#pragma unroll
    for (int tile = 0; tile < S::kOwned; tile += 2) {
      const float(&a)[4] = y[tile];
      const float(&b)[4] = y[tile + 1];
      StoreTransposed(to + tile * kTileColumns * static_cast<int>(sizeof(memory_.results[0])),
                      {Traits::Pack(a[0], a[1]), Traits::Pack(a[2], a[3]), Traits::Pack(b[0], b[1]),
                       Traits::Pack(b[2], b[3])});
    }
  }

  __device__ __forceinline__ void StoreParts() const {
    static_assert(kThreads % kParts == 0 && S::kColumns * kParts % kThreads == 0);
    const int part = thread_ % kParts;
#pragma unroll
    for (int item = 0; item < S::kColumns * kParts / kThreads; ++item) {
      const int column = thread_ / kParts + item * (kThreads / kParts);
      const uint4 eight = ReadShared(PartAt(column, part));
      if constexpr (S::kScatters) {
        const typename S::Homes homes = memory_.homes[part][column];
        if (homes.first != nullptr) *reinterpret_cast<uint4*>(homes.first) = eight;
        if (homes.second != nullptr) *reinterpret_cast<uint4*>(homes.second) = eight;
      } else if (first_row_ + column < p_.rows) {
        const int64_t at = static_cast<int64_t>(first_row_ + column) * p_.matrix.outputs +
                           first_output_ + part * kHalf;
        *reinterpret_cast<uint4*>(p_.out + at * sizeof(Type)) = eight;
      }
    }
  }

  const DecodeProduct& p_;
  Memory& memory_;
  const int thread_;
  const int warp_;
  const int lane_;
  const int first_output_;
  const int first_row_;
  const int lane_row_;  // of the lane's first result
  float scale_[2];      // of the lane's output in each half
  float bias_[2];
  product::HeadOutput of_head_[2];
  float residual_[S::kOwned][4];
};

}  // namespace strided::cuda::warpgroup

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PRODUCT_WARPGROUP_RESULTS_CUH_
