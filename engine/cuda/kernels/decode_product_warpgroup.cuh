// The kernel of decode_product_warpgroup.h: a warpgroup for 64 outputs of some columns and 512
// inputs, in clusters of four where there are 2048.
//
//   weights [tile][step][lane][8], packed        in [rows][inputs], the operand's type
// A warp has 16 outputs of all the block's columns. Its weights are in registers before the wait:
// two blocks stand on a multiprocessor, one of the next kernel too. Columns come by the hardware,
// group by group. Each of the W sums of decode_product.h is a series of products from zero, and
// they are added in their order: the same bits, since m64nNk16 rounds as m16n8k16 does on devices
// of 9.0 (of 3.9 x 10^10 sums of 1 to 8 steps, of bfloat16 and of float16 each, none differed).
// Where a cluster splits the inputs, block b makes the sums b W / kSplit and on, and sends them as
// they come to the blocks that own the columns.
//
// Bound by instructions behind the wait: sizes are constants, and the code is straight.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_WARPGROUP_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_WARPGROUP_CUH_

#include <cuda.h>

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/cluster_arrivals.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/product_warpgroup_results.cuh"
#include "engine/cuda/kernels/product_weights.cuh"
#include "engine/cuda/kernels/warpgroup.cuh"

namespace strided::cuda::warpgroup {

using product::kGroupSteps;

template <class S>
class WarpgroupBlock {
 public:
  using Memory = typename S::Memory;

  __device__ __forceinline__ WarpgroupBlock(const DecodeProduct& p, const CUtensorMap& in,
                                            Memory& memory)
      : p_(p),
        in_(in),
        memory_(memory),
        exchange_(memory.exchanged),
        thread_(static_cast<int>(threadIdx.x)),
        part_(static_cast<int>(blockIdx.x) % S::kSplit),
        tile_(static_cast<int>(blockIdx.x) / S::kSplit * kWarpgroupWarps),
        first_row_(static_cast<int>(blockIdx.y) * S::kColumns),
        results_(p, tile_ * kTileOutputs, first_row_, part_ * S::kOwned * kTileColumns, memory) {}

  __device__ __forceinline__ void Run() {
    Open();
    FetchWeights();
    results_.Find();
    if constexpr (S::kSplit > 1) exchange_.WaitForAll();
    __syncthreads();  // also keeps the weights' loads before the wait
    WaitForGridBefore();
    if constexpr (S::kStartsNextLate) LetNextGridStart();
    CopyColumns();
    if constexpr (S::kAdds) results_.ReadResidual();
    if constexpr (S::kSplit > 1) {
      SendSums();
      exchange_.Wait();
      AddArrived();
    } else {
      AddSums();
    }
    results_.Store(totals_);
  }

 private:
  using Weights = product::GroupWeights<S::kFormat>;
  using Unit = typename Weights::Unit;
  using Sums = float[S::kTiles][4];

  // Of the product's groups, the one of round `round` of the block's sum `sum`.
  __device__ __forceinline__ int GroupOf(int sum, int round) const {
    return part_ * S::kSums + sum + round * S::kWarps;
  }

  __device__ __forceinline__ void Open() const {
    if (thread_ == 0) {
      asm volatile("prefetch.tensormap [%0];" ::"l"(reinterpret_cast<uint64_t>(&in_)) : "memory");
      for (uint64_t& barrier : memory_.arrived) InitBarrier(SharedAddress(&barrier), 1);
      for (uint64_t& barrier : memory_.arrived) Expect(SharedAddress(&barrier), S::kGroupBytes);
    }
    if constexpr (S::kSplit > 1) {
      exchange_.Open(static_cast<int>(sizeof(memory_.sums)));
    } else if (thread_ == 0) {
      PublishBarriers();
    }
  }

  __device__ __forceinline__ void FetchWeights() {
    constexpr int kSteps = S::kInputs / kStepInputs;
    const uint4* const from = Unit::Address(p_.matrix.weights, tile_ + thread_ / 32,
                                            GroupOf(0, 0) * kGroupSteps, kSteps, thread_ % 32);
#pragma unroll
    for (int sum = 0; sum < S::kSums; ++sum) {
#pragma unroll
      for (int round = 0; round < S::kRounds; ++round) {
#pragma unroll
        for (int u = 0; u < Weights::kUnits; ++u) {
          const int unit = (sum + round * S::kWarps) * Weights::kUnits + u;
          weights_[sum][round].units[u] = __ldg(from + unit * 32);
        }
      }
    }
  }

  __device__ __forceinline__ void CopyColumns() const {
    if (thread_ != 0) return;
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
      CopyTile(SharedAddress(memory_.columns[group]), in_,
               GroupOf(group / S::kRounds, group % S::kRounds) * kGroupInputs, first_row_,
               SharedAddress(&memory_.arrived[group]));
    }
  }

  // The block's sum `sum`, begun.
  __device__ __forceinline__ void Begin(int sum, Sums& sums) {
    const uint64_t columns = ColumnsAt(SharedAddress(memory_.columns));
#pragma unroll
    for (int round = 0; round < S::kRounds; ++round) {
      const int group = sum * S::kRounds + round;
      uint32_t a[kGroupSteps][4];
#pragma unroll
      for (int step = 0; step < kGroupSteps; ++step) {
        Unit::Fragment(weights_[sum][round].units[step / Unit::kSteps], step % Unit::kSteps,
                       a[step]);
      }
      WaitForPhase(SharedAddress(&memory_.arrived[group]), 0);
      BeginProducts();
#pragma unroll
      for (int step = 0; step < kGroupSteps; ++step) {
        WarpgroupProduct<S::kOperand, S::kColumns>::template Begin<false>(
            sums, a[step], BytesOn(columns, group * S::kGroupBytes + step * (kStepInputs * 2)),
            /*add=*/round + step > 0);
      }
    }
    CommitProducts();
  }

  // Calls take(sum, sums) for all of the block's sums in their order, while the next is made.
  template <typename Take>
  __device__ __forceinline__ void MakeSums(Take&& take) {
    Sums sums[2] = {};
#pragma unroll
    for (int sum = 0; sum < S::kSums; ++sum) {
      Begin(sum, sums[sum % 2]);
      if (sum == 0) continue;
      WaitForProducts<1>();
      take(sum - 1, sums[(sum - 1) % 2]);
    }
    WaitForProducts<0>();
    take(S::kSums - 1, sums[(S::kSums - 1) % 2]);
  }

  __device__ __forceinline__ void AddSums() {
    MakeSums([&](int, const Sums& sums) {
#pragma unroll
      for (int tile = 0; tile < S::kTiles; ++tile) {
#pragma unroll
        for (int i = 0; i < 4; ++i) totals_[tile][i] += sums[tile][i];
      }
    });
  }

  // Where block `owner` has what block `part` sends.
  static __device__ __forceinline__ int SlotOf(int part, int owner) {
    return (part - (part > owner ? 1 : 0)) * S::kSums;
  }

  // Each tile's to the block that owns it.
  __device__ __forceinline__ void SendSums() {
    uint32_t places[S::kSplit];
    uint32_t barriers[S::kSplit];
#pragma unroll
    for (int owner = 0; owner < S::kSplit; ++owner) {
      const uint32_t here = SharedAddress(&memory_.sums[SlotOf(part_, owner)][0][thread_]);
      places[owner] = cluster::AddressIn(here, static_cast<uint32_t>(owner));
      barriers[owner] =
          cluster::AddressIn(SharedAddress(&memory_.exchanged), static_cast<uint32_t>(owner));
    }
    MakeSums([&](int sum, const Sums& sums) {
#pragma unroll
      for (int owner = 0; owner < S::kSplit; ++owner) {
#pragma unroll
        for (int tile = 0; tile < S::kOwned; ++tile) {
          const auto& of_tile = sums[owner * S::kOwned + tile];
          const float4 four = make_float4(of_tile[0], of_tile[1], of_tile[2], of_tile[3]);
          if (owner == part_) {
            own_[sum][tile] = four;
          } else {
            constexpr int kBytes = kThreads * static_cast<int>(sizeof(float4));
            cluster::Send(places[owner] + (sum * S::kOwned + tile) * kBytes, four, barriers[owner]);
          }
        }
      }
    });
  }

  __device__ __forceinline__ void AddFour(int tile, const float4& four) {
    totals_[tile][0] += four.x;
    totals_[tile][1] += four.y;
    totals_[tile][2] += four.z;
    totals_[tile][3] += four.w;
  }
  __device__ __forceinline__ void AddArrived() {
#pragma unroll
    for (int part = 0; part < S::kSplit; ++part) {
      float4 of_part[S::kSums][S::kOwned];  // read together
#pragma unroll
      for (int sum = 0; sum < S::kSums; ++sum) {
#pragma unroll
        for (int tile = 0; tile < S::kOwned; ++tile) {
          of_part[sum][tile] = part == part_
                                   ? own_[sum][tile]
                                   : memory_.sums[SlotOf(part, part_) + sum][tile][thread_];
        }
      }
#pragma unroll
      for (int sum = 0; sum < S::kSums; ++sum) {
#pragma unroll
        for (int tile = 0; tile < S::kOwned; ++tile) AddFour(tile, of_part[sum][tile]);
      }
    }
  }

  const DecodeProduct& p_;
  const CUtensorMap& in_;
  Memory& memory_;
  const ClusterArrivals exchange_;
  const int thread_;
  const int part_;  // of the inputs
  const int tile_;  // of outputs, the block's first
  const int first_row_;
  WarpgroupResults<S> results_;
  Weights weights_[S::kSums][S::kRounds];
  float4 own_[S::kSums][S::kOwned];  // of kSplit > 1: the block's sums of what it owns
  float totals_[S::kOwned][4] = {};
};

// Grid: (64s of outputs x kSplit, kColumns of rows), in clusters of kSplit.
template <class S>
__global__ void __launch_bounds__(kThreads, 2)
    WarpgroupProductKernel(const __grid_constant__ DecodeProduct p,
                           const __grid_constant__ CUtensorMap in) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) std::byte shared[];
  if constexpr (!S::kStartsNextLate) LetNextGridStart();
  WarpgroupBlock<S>(p, in, *reinterpret_cast<typename S::Memory*>(shared)).Run();
#endif
}

}  // namespace strided::cuda::warpgroup

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DECODE_PRODUCT_WARPGROUP_CUH_
