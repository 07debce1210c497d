// Cells in global memory: how blocks of the grid tell each other things.
//
// Who waits reads a cell again and again until its tag is the layer's. Every kind of cell lies
// twice and layers take turns, so a cell is written again two layers later. By then it has been
// read: what a block sends in layer l + 2 depends on all that layer l + 1 computed, all of that on
// the residual stream after layer l, and that on every cell of layer l that anybody waits for. A
// reader waits for all its cells of a layer before it sends anything of it.

#ifndef STRIDED_ENGINE_CUDA_GRID_CELLS_CUH_
#define STRIDED_ENGINE_CUDA_GRID_CELLS_CUH_

#include <cstdint>

#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/kernels/fragments.cuh"

namespace strided::cuda::grid {

// The waits of a thread, which end whatever goes wrong: a fault must be an error of the call, never
// a hang. Once one of them has looked kMost times, some two seconds of ways through the
// second-level cache, or sees that another thread's has, it waits no more: the kernel runs to its
// end, with results that mean nothing and an error word that says so.
template <int kMost>
class WaitOf {
 public:
  // `error`: a word of global memory, 0; set to `who` by the first that gives up.
  __device__ __forceinline__ WaitOf(int32_t* error, int32_t who) : error_(error), who_(who) {}

  template <typename Ended>
  __device__ __forceinline__ void Until(Ended&& ended) {
    for (int looks = 1; !gave_up_ && !ended(); ++looks) {
      if (looks % kLooksPerCheck != 0) continue;
      if (looks >= kMost) atomicCAS(error_, 0, who_);
      gave_up_ = *static_cast<volatile int32_t*>(error_) != 0;
    }
  }

 private:
  static constexpr int kLooksPerCheck = 1024;

  int32_t* error_;
  int32_t who_;
  bool gave_up_ = false;
};

using Wait = WaitOf<1 << 22>;

// Two neighbouring cells, each whole.
struct CellPair {
  uint32_t first;
  uint32_t first_tag;
  uint32_t second;
  uint32_t second_tag;

  __device__ __forceinline__ bool Has(uint32_t tag) const {
    return first_tag == tag && second_tag == tag;
  }
};

__device__ __forceinline__ void Send(Cell* to, uint32_t content, uint32_t tag) {
  const uint64_t both = static_cast<uint64_t>(tag) << 32 | content;
  asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(to), "l"(both) : "memory");
}
__device__ __forceinline__ void Send(Cell* to, float content, uint32_t tag) {
  Send(to, __float_as_uint(content), tag);
}

__device__ __forceinline__ Cell Look(const Cell* at) {
  uint64_t both;
  asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(both) : "l"(at) : "memory");
  return {static_cast<uint32_t>(both), static_cast<uint32_t>(both >> 32)};
}
__device__ __forceinline__ CellPair LookAtPair(const Cell* at) {
  uint64_t low;
  uint64_t high;
  asm volatile("ld.relaxed.gpu.global.v2.u64 {%0, %1}, [%2];"
               : "=l"(low), "=l"(high)
               : "l"(at)
               : "memory");
  return {static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32), static_cast<uint32_t>(high),
          static_cast<uint32_t>(high >> 32)};
}

// Waits for kCount pairs at once; pair i is at `at(i)`, the thread takes part where `has(i)`.
template <int kCount, typename At, typename Has>
__device__ __forceinline__ void AwaitPairs(CellPair (&pairs)[kCount], At&& at, Has&& has,
                                           uint32_t tag, Wait& wait) {
  wait.Until([&] {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (has(i)) pairs[i] = LookAtPair(at(i));
    }
    bool all = true;
#pragma unroll
    for (int i = 0; i < kCount; ++i) all = all && (!has(i) || pairs[i].Has(tag));
    return all;
  });
}

// -- All cells of a layer.

template <class S>
struct LayerCells {
  Cell* first;  // of the layer's turn

  __device__ __forceinline__ LayerCells(const GridArguments& a, int layer)
      : first(a.cells + layer % 2 * CellsOfLayer(S())) {}

  // [d_model] sums of out over the inputs of a group, float32, and pairs of such sums of down.
  __device__ __forceinline__ Cell* Partial(int group) const { return first + group * S::kModel; }
  __device__ __forceinline__ Cell* DownPair(int pair) const {
    return Partial(S::kModelGroups) + 2 * pair * S::kModel;
  }
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_CELLS_CUH_
