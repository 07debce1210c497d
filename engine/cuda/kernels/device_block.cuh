// block.h on the device. Warp reductions of integers are single instructions from sm_80 on.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DEVICE_BLOCK_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_DEVICE_BLOCK_CUH_

#include <cstdint>

#include "engine/cuda/kernels/block.h"
#include "engine/cuda/kernels/block_scope.cuh"
#include "engine/sampling/fixed_arithmetic.h"

namespace strided::cuda {

// `Scope`: which threads take part, as WholeBlock: 1, 2, 4, ... or 32 warps.
template <class Scope>
class DeviceBlockOf {
 public:
  static constexpr int kLanes = 32;

  // What a block shares; __shared__.
  struct Shared {
    uint64_t gathered[2][kLanes];
    uint32_t low_bins[kBins];
    uint32_t high_bins[kBins];
    int places;
  };

  __device__ explicit DeviceBlockOf(Shared& shared, Scope scope = {})
      : shared_(shared),
        scope_(scope),
        lane_(scope.Thread() % kLanes),
        warp_(scope.Thread() / kLanes),
        log2_warps_(__ffs(scope.Threads() / kLanes) - 1) {}

  __device__ int lane() const { return lane_; }
  __device__ int warp() const { return warp_; }
  __device__ int warps() const { return 1 << log2_warps_; }
  __device__ int log2_warps() const { return log2_warps_; }
  __device__ void Sync() { scope_.Sync(); }

  // In parts of 27, 27 and 10 bits: 32 of them fit a word.
  __device__ uint64_t SumOfLanes(uint64_t value) {
    constexpr int kPartBits = 27;
    constexpr uint32_t kPart = (1U << kPartBits) - 1;
    const uint64_t low = __reduce_add_sync(kAll, static_cast<uint32_t>(value) & kPart);
    const uint64_t middle =
        __reduce_add_sync(kAll, static_cast<uint32_t>(value >> kPartBits) & kPart);
    const uint64_t high = __reduce_add_sync(kAll, static_cast<uint32_t>(value >> (2 * kPartBits)));
    return low + (middle << kPartBits) + (high << (2 * kPartBits));
  }
  __device__ uint32_t LargestOfLanes(uint32_t value) { return __reduce_max_sync(kAll, value); }
  __device__ uint64_t InclusiveSum(uint64_t value) {
#pragma unroll
    for (int distance = 1; distance < kLanes; distance *= 2) {
      const uint64_t before =
          __shfl_up_sync(kAll, static_cast<unsigned long long>(value), distance);
      if (lane_ >= distance) value += before;
    }
    return value;
  }
  __device__ int FirstLane(bool is) {
    const uint32_t lanes = __ballot_sync(kAll, is);
    return lanes == 0 ? kLanes : __ffs(static_cast<int>(lanes)) - 1;
  }
  __device__ uint64_t FromLane(uint64_t value, int lane) {
    return __shfl_sync(kAll, static_cast<unsigned long long>(value), lane);
  }

  // Two buffers take turns: who writes one has passed the barrier of the other, which its readers
  // reach after they have read.
  __device__ uint64_t Gather(uint64_t value) {
    uint64_t* const gathered = shared_.gathered[turn_];
    turn_ ^= 1;
    if (lane_ == 0) gathered[warp_] = value;
    scope_.Sync();
    return lane_ < warps() ? gathered[lane_] : 0;
  }

  __device__ void ClearBins() {
    for (int bin = FirstOf(*this); bin < kBins; bin += StepOf(*this)) {
      shared_.low_bins[bin] = 0;
      shared_.high_bins[bin] = 0;
    }
    if (FirstOf(*this) == 0) shared_.places = 0;
  }
  // As two words with a carry: shared memory has no sum of 64 bits, only a loop that swaps.
  __device__ void AddToBin(int bin, Mass mass) {
    const auto low = static_cast<uint32_t>(mass);
    const uint32_t before = atomicAdd(&shared_.low_bins[bin], low);
    const uint32_t carry = before + low < low ? 1 : 0;
    const uint32_t high = static_cast<uint32_t>(mass >> 32) + carry;
    if (high != 0) atomicAdd(&shared_.high_bins[bin], high);
  }
  __device__ Mass Bin(int bin) const {
    return shared_.low_bins[bin] | Mass{shared_.high_bins[bin]} << 32;
  }
  __device__ int ClaimPlace() { return atomicAdd(&shared_.places, 1); }

 private:
  static constexpr uint32_t kAll = 0xFFFFFFFF;

  Shared& shared_;
  Scope scope_;
  int lane_;
  int warp_;
  int log2_warps_;
  int turn_ = 0;
};

using DeviceBlock = DeviceBlockOf<WholeBlock>;

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DEVICE_BLOCK_CUH_
