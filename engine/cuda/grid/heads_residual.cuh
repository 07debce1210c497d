// A block's eighth of the residual stream (heads_block.cuh): elements in registers, to which the
// clusters' sums are added.

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_RESIDUAL_CUH_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_RESIDUAL_CUH_

#include <cstdint>

#include "engine/cuda/grid/cells.cuh"
#include "engine/cuda/grid/heads_memory.cuh"
#include "engine/cuda/grid/heads_product.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::grid {

// An element, by two lanes of a warp.
template <class S, class Memory>
class HeadsResidual {
  using H = HeadsSizes<S>;
  static constexpr int kElements = S::kModel / kClusterBlocks;
  static constexpr int kFirstWarp = kWarps / 2;
  static constexpr int kGatherers = kElements / 16;       // warps
  static constexpr int kLaneClusters = H::kClusters / 2;  // whose sums a lane reads

 public:
  static constexpr int kLastWarp = kFirstWarp + kGatherers - 1;

  __device__ __forceinline__ HeadsResidual(Memory& memory, int rank)
      : memory_(memory),
        rank_(rank),
        warp_(static_cast<int>(threadIdx.x) / 32),
        lane_(static_cast<int>(threadIdx.x) % 32) {}

  // Whether the thread has an element: what follows is for those that have.
  __device__ __forceinline__ bool Gathers() const {
    return static_cast<unsigned>(warp_ - kFirstWarp) < kGatherers;
  }

  // From the row in shared memory; the outputs of `matrix` will be added first.
  __device__ __forceinline__ void Begin(const DeviceMatrix& matrix) {
    element_ = memory_.exchange.row[Element()];
    AwaitsOf(matrix);
  }
  __device__ __forceinline__ void AwaitsOf(const DeviceMatrix& matrix) {
    scale_.Fetch(matrix, Element());
  }
  __device__ __forceinline__ void Store(float* hidden) const { hidden[Element()] = element_; }

  // H' = H + O m.
  __device__ __forceinline__ void AddPartials(const LayerCells<S>& cells, uint32_t tag,
                                              Wait& wait) {
    const Cell* const from = cells.Partial(FirstCluster()) + Element();
    Cell parts[kLaneClusters];
    wait.Until([&] {
      bool all = true;
#pragma unroll
      for (int i = 0; i < kLaneClusters; ++i) parts[i] = Look(from + i * S::kModel);
#pragma unroll
      for (int i = 0; i < kLaneClusters; ++i) all = all && parts[i].tag == tag;
      return all;
    });
    float terms[kLaneClusters];
#pragma unroll
    for (int i = 0; i < kLaneClusters; ++i) terms[i] = __uint_as_float(parts[i].content);
    element_ = element_ + scale_.Of(SumOfHalves(terms));
  }
  // H = H' + down.
  __device__ __forceinline__ void AddDown(const LayerCells<S>& cells, uint32_t tag, Wait& wait) {
    static_assert(H::kDownParts == 2);
    const Cell* const from = cells.DownPair(FirstCluster()) + 2 * Element();
    CellPair parts[kLaneClusters];
    AwaitPairs(
        parts, [&](int i) { return from + i * 2 * S::kModel; }, [](int) { return true; }, tag,
        wait);
    float terms[2 * kLaneClusters];
#pragma unroll
    for (int i = 0; i < kLaneClusters; ++i) {
      terms[2 * i] = __uint_as_float(parts[i].first);
      terms[2 * i + 1] = __uint_as_float(parts[i].second);
    }
    element_ = element_ + scale_.Of(SumOfHalves(terms));
  }
  // To all blocks of the cluster, to half of them by each of an element's lanes.
  __device__ __forceinline__ void Send() const {
    const uint32_t to = SharedAddress(&memory_.exchange.row[Element()]);
    const uint32_t barrier = SharedAddress(&memory_.barriers.row_came);
#pragma unroll
    for (int i = 0; i < kClusterBlocks / 2; ++i) {
      const auto block = static_cast<uint32_t>(lane_ / 16 * (kClusterBlocks / 2) + i);
      cluster::Send(cluster::AddressIn(to, block), __float_as_uint(element_),
                    cluster::AddressIn(barrier, block));
    }
  }

 private:
  __device__ __forceinline__ int Element() const {
    return rank_ * kElements + (warp_ - kFirstWarp) * 16 + lane_ % 16;
  }
  __device__ __forceinline__ int FirstCluster() const { return lane_ / 16 * kLaneClusters; }
  // Of the terms of lane l % 16, then those of that lane + 16, in order.
  template <int kTerms>
  __device__ __forceinline__ float SumOfHalves(const float (&terms)[kTerms]) const {
    const auto after = [&](float sum) {
#pragma unroll
      for (const float term : terms) sum += term;
      return sum;
    };
    const float lower = __shfl_sync(0xFFFFFFFFu, after(0), lane_ % 16);
    return __shfl_sync(0xFFFFFFFFu, after(lower), lane_ % 16 + 16);
  }

  Memory& memory_;
  const int rank_;
  const int warp_;
  const int lane_;
  float element_ = 0;
  OutputScale scale_;  // of the matrix whose outputs are added next
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_RESIDUAL_CUH_
