// Sums of integers over the elements 0, 1, 2, ... and where a running sum passes a limit.
//
// Each warp sums one contiguous segment. To find a place, the block takes the segment in which the
// limit is passed, splits it among the warps again, and so on down to one tile of kLanes elements:
// two levels for 2^10 elements of 32 warps of 32, three for 2^15, four for 2^20. Integers: the
// result does not depend on how the elements are split.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_RUNNING_MASS_H_
#define STRIDED_ENGINE_CUDA_KERNELS_RUNNING_MASS_H_

#include "engine/cuda/kernels/block.h"
#include "engine/sampling/fixed_arithmetic.h"

namespace strided::cuda {

// Where a running sum passes a limit.
struct Passing {
  int index = 0;  // of the first element at which the running sum exceeds the limit
  Mass left = 0;  // the limit less the sum of the elements before it
};

// `Weight` maps an index to a Mass and does not change. Constructed and used by all threads of a
// block together.
template <typename Block, typename Weight>
class RunningMass {
 public:
  STRIDED_DEVICE RunningMass(Block& block, int count, Weight weight)
      : block_(block), weight_(weight), whole_{0, count} {
    share_ = SumSegments(whole_);
    total_ = block_.SumOfLanes(share_);
  }

  STRIDED_DEVICE Mass total() const { return total_; }

  // Requires limit < total(); every thread gets the same.
  STRIDED_DEVICE Passing Find(Mass limit) const {
    Range range = whole_;
    Mass share = share_;
    while (range.last - range.first > Block::kLanes && block_.warps() > 1) {
      if (range.last != whole_.last || range.first != whole_.first) share = SumSegments(range);
      const Mass sum = block_.InclusiveSum(share);
      const int warp = ClampToLanes(block_.FirstLane(sum > limit));
      limit -= block_.FromLane(sum - share, warp);
      range = Segment(range, warp);
    }
    return FindInTiles(range, limit);
  }

 private:
  struct Range {
    int first;  // the elements [first, last)
    int last;
  };

  STRIDED_DEVICE static int Least(int a, int b) { return a < b ? a : b; }
  // No lane passes the limit only where the requirement is broken; then the last stands for it.
  STRIDED_DEVICE static int ClampToLanes(int lane) { return Least(lane, Block::kLanes - 1); }

  STRIDED_DEVICE Range Segment(Range range, int warp) const {
    const int tiles = (range.last - range.first + Block::kLanes - 1) / Block::kLanes;
    const int length = ((tiles + block_.warps() - 1) >> block_.log2_warps()) * Block::kLanes;
    const int first = Least(range.first + warp * length, range.last);
    return {first, Least(first + length, range.last)};
  }

  // The sum of the segment of the warp `lane()`; 0 from warps() on.
  STRIDED_DEVICE Mass SumSegments(Range range) const {
    const Range segment = Segment(range, block_.warp());
    Mass sum = 0;
    for (int i = segment.first + block_.lane(); i < segment.last; i += Block::kLanes) {
      sum += weight_(i);
    }
    return block_.Gather(block_.SumOfLanes(sum));
  }

  STRIDED_DEVICE Passing FindInTiles(Range range, Mass limit) const {
    for (int first = range.first; first < range.last; first += Block::kLanes) {
      const int i = first + block_.lane();
      const Mass mass = i < range.last ? weight_(i) : 0;
      const Mass sum = block_.InclusiveSum(mass);
      const int lane = block_.FirstLane(sum > limit);
      if (lane < Block::kLanes) return {first + lane, limit - block_.FromLane(sum - mass, lane)};
      limit -= block_.FromLane(sum, Block::kLanes - 1);
    }
    return {Least(range.first, whole_.last - 1), 0};
  }

  Block& block_;
  Weight weight_;
  Range whole_;
  Mass share_;  // of the segment of the warp `lane()`
  Mass total_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_RUNNING_MASS_H_
