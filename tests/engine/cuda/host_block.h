// block.h on the host: threads of the processor, so that the sampler's parts are tested without a
// device.

#ifndef STRIDED_TESTS_ENGINE_CUDA_HOST_BLOCK_H_
#define STRIDED_TESTS_ENGINE_CUDA_HOST_BLOCK_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <bit>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "engine/cuda/kernels/block.h"
#include "engine/sampling/fixed_arithmetic.h"

namespace strided::cuda {

template <int kLanesOfWarp>
class HostBlock {
 public:
  static constexpr int kLanes = kLanesOfWarp;
  using Lanes = std::array<uint64_t, kLanes>;

  class Shared {
   public:
    explicit Shared(int warps) : warps_(warps), everybody_(std::ptrdiff_t{warps} * kLanes) {
      for (int warp = 0; warp < warps; ++warp) {
        warp_barriers_.push_back(std::make_unique<std::barrier<>>(kLanes));
      }
      exchanged_[0].resize(static_cast<size_t>(warps));
      exchanged_[1].resize(static_cast<size_t>(warps));
    }

   private:
    friend class HostBlock;
    int warps_;
    std::barrier<> everybody_;
    std::vector<std::unique_ptr<std::barrier<>>> warp_barriers_;
    std::array<std::vector<Lanes>, 2> exchanged_;  // within warps
    std::array<Lanes, 2> gathered_ = {};           // between them
    std::array<std::atomic<uint64_t>, kBins> bins_ = {};
    std::atomic<int> places_ = 0;
  };

  HostBlock(Shared& shared, int thread)
      : shared_(shared), lane_(thread % kLanes), warp_(thread / kLanes) {}

  int lane() const { return lane_; }
  int warp() const { return warp_; }
  int warps() const { return shared_.warps_; }
  int log2_warps() const { return std::countr_zero(static_cast<unsigned>(warps())); }
  void Sync() { shared_.everybody_.arrive_and_wait(); }

  uint64_t SumOfLanes(uint64_t value) {
    uint64_t sum = 0;
    for (const uint64_t each : Exchange(value)) sum += each;
    return sum;
  }
  uint32_t LargestOfLanes(uint32_t value) {
    const Lanes& lanes = Exchange(value);
    return static_cast<uint32_t>(*std::max_element(lanes.begin(), lanes.end()));
  }
  uint64_t InclusiveSum(uint64_t value) {
    const Lanes& lanes = Exchange(value);
    uint64_t sum = 0;
    for (int lane = 0; lane <= lane_; ++lane) sum += lanes[static_cast<size_t>(lane)];
    return sum;
  }
  int FirstLane(bool is) {
    const Lanes& lanes = Exchange(is ? 1 : 0);
    return static_cast<int>(std::find(lanes.begin(), lanes.end(), 1U) - lanes.begin());
  }
  uint64_t FromLane(uint64_t value, int lane) { return Exchange(value)[static_cast<size_t>(lane)]; }

  uint64_t Gather(uint64_t value) {
    Lanes& gathered = shared_.gathered_[gather_turn_];
    gather_turn_ ^= 1;
    if (lane_ == 0) gathered[static_cast<size_t>(warp_)] = value;
    Sync();
    return lane_ < warps() ? gathered[static_cast<size_t>(lane_)] : 0;
  }

  void ClearBins() {
    for (int bin = FirstOf(*this); bin < kBins; bin += StepOf(*this)) BinAt(bin) = 0;
    if (FirstOf(*this) == 0) shared_.places_ = 0;
  }
  void AddToBin(int bin, Mass mass) { BinAt(bin) += mass; }
  Mass Bin(int bin) const { return shared_.bins_[static_cast<size_t>(bin)]; }
  int ClaimPlace() { return shared_.places_++; }

 private:
  std::atomic<uint64_t>& BinAt(int bin) { return shared_.bins_[static_cast<size_t>(bin)]; }

  // The warp's values. Two buffers take turns, as in DeviceBlock::Gather.
  const Lanes& Exchange(uint64_t value) {
    Lanes& lanes = shared_.exchanged_[turn_][static_cast<size_t>(warp_)];
    turn_ ^= 1;
    lanes[static_cast<size_t>(lane_)] = value;
    if (kLanes > 1) shared_.warp_barriers_[static_cast<size_t>(warp_)]->arrive_and_wait();
    return lanes;
  }

  Shared& shared_;
  int lane_;
  int warp_;
  size_t turn_ = 0;
  size_t gather_turn_ = 0;
};

// Runs body(HostBlock<kLanes>&) in each thread of a block of `warps` warps: a power of two,
// at most kLanes.
template <int kLanes, typename Body>
void RunHostBlock(int warps, Body body) {
  typename HostBlock<kLanes>::Shared shared(warps);
  const auto run = [&](int thread) {
    HostBlock<kLanes> block(shared, thread);
    body(block);
  };
  std::vector<std::jthread> others;
  for (int thread = 1; thread < warps * kLanes; ++thread) others.emplace_back(run, thread);
  run(0);
}

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_ENGINE_CUDA_HOST_BLOCK_H_
