// The row that a block draws for, of a group: found before a launch's steps, moved on with each,
// left behind them.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_DRAWN_ROW_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_DRAWN_ROW_CUH_

#include <cstdint>

#include "engine/cuda/cluster/group.cuh"
#include "engine/cuda/cluster/row_drawing.cuh"
#include "engine/cuda/cluster/step_arguments.h"

namespace strided::cuda::cluster {

// By all threads of the group's team. The row is kept in shared memory.
template <class S, class Threads>
class DrawnRow {
 public:
  using Memory = GroupMemory<S>;

  __device__ DrawnRow(const StepArguments& a, const Group<S>& group, int rank, Threads threads)
      : a_(a), group_(group), column_(DrawnColumn(rank, group.index)), threads_(threads) {}

  // Whether the block draws for a row of the group at all.
  __device__ __forceinline__ bool Exists() const { return column_ < group_.rows; }
  __device__ __forceinline__ void Find() const {
    if (!Exists()) return;
    if (threads_.Thread() == 0) Row() = a_.rows[group_.first_row + column_];
    threads_.Sync();
  }
  __device__ __forceinline__ void Leave() const {
    if (!Exists()) return;
    if (threads_.Thread() == 0) a_.rows[group_.first_row + column_] = Row();
  }

  // Step `step` of the launch, when the logits are here.
  __device__ __forceinline__ void Draw(int step) const {
    using Scratch = DrawingScratch<Threads>;
    static_assert(sizeof(Scratch) <= kScratchBytes);
    auto& scratch = *static_cast<Scratch*>(At(Memory::kScratch));
    const auto* const logits = static_cast<const float*>(At(Memory::kLogits));
    const TokenPlace place = {group_.area + Memory::kTokens + column_ * 4,
                              group_.Barrier(Signal::kTokens), step + 1 < a_.steps};
    const DecodeRow row = Row();
    const int32_t token =
        DrawRow(a_, row, group_.first_row + column_, logits, scratch, threads_, place);
    if (threads_.Thread() == 0) Row() = Next(row, token);
  }

 private:
  __device__ __forceinline__ void* At(int offset) const {
    return __cvta_shared_to_generic(group_.area + offset);
  }
  __device__ __forceinline__ DecodeRow& Row() const {
    static_assert(sizeof(DecodeRow) <= Memory::kDrawnRowBytes);
    return *static_cast<DecodeRow*>(At(Memory::kDrawnRow));
  }

  const StepArguments& a_;
  const Group<S>& group_;
  const int column_;
  const Threads threads_;
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_DRAWN_ROW_CUH_
