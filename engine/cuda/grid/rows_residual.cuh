// A block's eighth of several rows' residual stream (rows_block.cuh), to whose elements the
// clusters' sums are added.

#ifndef STRIDED_ENGINE_CUDA_GRID_ROWS_RESIDUAL_CUH_
#define STRIDED_ENGINE_CUDA_GRID_ROWS_RESIDUAL_CUH_

#include <cstdint>
#include <utility>

#include "engine/cuda/grid/cells.cuh"
#include "engine/cuda/grid/product_memory.cuh"
#include "engine/cuda/grid/rows_cells.cuh"
#include "engine/cuda/grid/rows_memory.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::grid {

// Four elements, those of a quad, by two lanes of a warp.
template <class S, class Memory>
class RowsResidual {
  static constexpr int kRows = Memory::kRows;
  using H = HeadsSizes<S>;
  using Cells = RowCells<S, kRows>;
  static constexpr int kElements = S::kModel / kClusterBlocks;
  static constexpr int kFirstWarp = kWarps / 2;
  static constexpr int kLanes = 2;
  static constexpr int kQuads = 32 / kLanes;                                    // of a warp
  static constexpr int kGatherers = H::kOutTiles * 8 * Cells::kPairs / kQuads;  // warps
  static_assert(kFirstWarp + kGatherers <= kWarps);
  static constexpr int kBarrier = kFirstTeamBarrier + S::kModelTeams + 1;

 public:
  __device__ __forceinline__ explicit RowsResidual(Memory& memory) : memory_(memory) {}

  // Whether the thread has elements: what follows is for those that have.
  __device__ __forceinline__ bool Gathers() const {
    return static_cast<unsigned>(static_cast<int>(threadIdx.x) / 32 - kFirstWarp) < kGatherers;
  }

  // From the rows in shared memory.
  __device__ __forceinline__ void Begin() const {
    const Place place;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      Own(place, i) = memory_.exchange.row[place.Row(i)][Output(place, i)];
    }
  }
  // Of the step's `rows`.
  __device__ __forceinline__ void Store(float* hidden, int rows) const {
    const Place place;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (place.Row(i) < rows) {
        hidden[place.Row(i) * S::kModel + Output(place, i)] = Own(place, i);
      }
    }
  }

  // The outputs of a product are added next: what they are scaled by.
  struct Scales {
    OutputScale of[2];
  };
  __device__ __forceinline__ Scales ScalesOf(const DeviceMatrix& matrix) const {
    const Place place;
    Scales scales;
    scales.of[0].Fetch(matrix, Output(place, 0));
    scales.of[1].Fetch(matrix, Output(place, 2));
    return scales;
  }
  // H' = H + O m.
  __device__ __forceinline__ void AddOut(const Cells& cells, const Scales& scales,
                                         Wait& wait) const {
    Add<H::kClusters / kLanes>(cells.Out(0), scales, wait);
  }
  // H = H' + down.
  __device__ __forceinline__ void AddDown(const Cells& cells, const Scales& scales,
                                          Wait& wait) const {
    Add<S::kDownWarps / kLanes>(cells.Down(0), scales, wait);
  }

  // To all blocks of the cluster, by all gatherers: 16 bytes a lane of two rows, a warp's to one
  // block at a time.
  __device__ __forceinline__ void Send() const {
    constexpr int kJobs = kClusterBlocks * Cells::kPairs / kGatherers;  // of a warp
    SyncThreads(kBarrier, 32 * kGatherers);
    int thread = threadIdx.x;
    Forget(thread);
    const int at = thread % 16 * 4;
    const uint32_t barrier = SharedAddress(&memory_.barriers.row_came);
#pragma unroll
    for (int i = 0; i < kJobs; ++i) {
      const int job = (thread / 32 - kFirstWarp) * kJobs + i;
      const auto block = static_cast<uint32_t>(job / Cells::kPairs);
      const int row = job % Cells::kPairs * 2 + thread % 32 / 16;
      const uint32_t to = SharedAddress(&memory_.exchange.row[row][Rank() * kElements + at]);
      cluster::Send(cluster::AddressIn(to, block),
                    *reinterpret_cast<const float4*>(&memory_.eighth[row][at]),
                    cluster::AddressIn(barrier, block));
    }
  }

 private:
  static __device__ __forceinline__ int Rank() {  // of the block in its cluster
    int block = blockIdx.x;
    Forget(block);
    return block % kClusterBlocks;
  }
  // The thread's elements.
  struct Place {
    int part;    // of the quad's lanes
    int tile;    // of the block's
    int output;  // of the tile, and its eighth neighbour
    int pair;    // of rows

    __device__ __forceinline__ Place() {
      int thread = threadIdx.x;
      Forget(thread);
      const int index = (thread / 32 - kFirstWarp) * kQuads + thread % kQuads;
      part = thread % 32 / kQuads;
      pair = index % Cells::kPairs;
      output = index / Cells::kPairs % 8;
      tile = index / (8 * Cells::kPairs);
    }
    __device__ __forceinline__ int Row(int i) const { return 2 * pair + i % 2; }
    __device__ __forceinline__ int Element(int i) const {
      return tile * kTileOutputs + output + i / 2 * 8;
    }
  };

  // Terms that lie kSums quads apart, kTerms of each of the quad's lanes, in order.
  template <int kTerms>
  __device__ __forceinline__ void Add(const Quad* product, const Scales& scales, Wait& wait) const {
    const Place place;
    const int lane = threadIdx.x % kQuads;
    const Quad* const from =
        product + place.part * kTerms * Cells::kSums +
        Cells::At(Rank() * H::kOutTiles + place.tile, place.output, place.pair);
    Quad terms[kTerms];
    const auto look = [&] {
      [&]<int... kTerm>(std::integer_sequence<int, kTerm...>) {
        (Look<kTerm * Cells::kSums>(from, terms[kTerm]), ...);
      }
      (std::make_integer_sequence<int, kTerms>());
    };
    // A look before there is a choice: or the compiler keeps what the layer before has read.
    look();
    wait.Until([&] {
      bool all = true;
#pragma unroll
      for (int i = 0; i < kTerms; ++i) all = all && terms[i].HasCome();
      if (!all) look();
      return all;
    });
    const auto sum_of = [&](int e) {
      float sum = 0;
#pragma unroll
      for (int part = 0; part < kLanes; ++part) {
#pragma unroll
        for (int i = 0; i < kTerms; ++i) sum += terms[i][e];
        sum = __shfl_sync(0xFFFFFFFFu, sum, lane + part * kQuads);
      }
      return sum;
    };
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const float sum = scales.of[e / 2].Of(sum_of(e));
      if (place.part == 0) Own(place, e) = Own(place, e) + sum;
    }
  }
  __device__ __forceinline__ float& Own(const Place& place, int i) const {
    return memory_.eighth[place.Row(i)][place.Element(i)];
  }
  __device__ __forceinline__ int Output(const Place& place, int i) const {
    return Rank() * kElements + place.Element(i);
  }

  Memory& memory_;
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_ROWS_RESIDUAL_CUH_
