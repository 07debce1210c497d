// How many of a kernel's blocks one multiprocessor holds, by the shared memory that each asks for.
//
// A block of a decode step comes while the kernels before its own still work, and takes the first
// room that there is: two come to stand on one multiprocessor while others have none, and the
// slower of them ends the kernel late.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_BLOCK_SPREAD_H_
#define STRIDED_ENGINE_CUDA_KERNELS_BLOCK_SPREAD_H_

namespace strided::cuda {

// The fewest bytes of shared memory, in whole 128s, of which a multiprocessor holds no more than
// `count` blocks, whatever else stands there. `most_bytes`: of one block
// (CurrentDevice::shared_bytes). Requires count >= 1. Pure.
constexpr int BytesOfAtMost(int count, int most_bytes) {
  constexpr int kReserved = 1024;  // CUDA's own, of each block
  constexpr int kUnit = 128;
  const int share = (most_bytes + kReserved) / (count + 1) - kReserved;
  return (share / kUnit + 1) * kUnit;
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_BLOCK_SPREAD_H_
