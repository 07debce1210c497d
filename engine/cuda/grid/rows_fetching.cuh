// The warp of a block of heads that fetches, for several rows: as heads_fetching.cuh, but that keys
// and values of a half's chunks come one after the other, each as soon as its place is free.

#ifndef STRIDED_ENGINE_CUDA_GRID_ROWS_FETCHING_CUH_
#define STRIDED_ENGINE_CUDA_GRID_ROWS_FETCHING_CUH_

#include <cstdint>

#include "engine/cuda/grid/heads_fetching.cuh"
#include "engine/cuda/grid/rows_cells.cuh"
#include "engine/cuda/grid/rows_memory.cuh"

namespace strided::cuda::grid {

template <class S, class Memory>
class RowsFetching : HeadsFetching<S, Memory> {
  using Base = HeadsFetching<S, Memory>;
  using H = HeadsSizes<S>;
  using R = typename Memory::R;
  using Base::a_;
  using Base::busy_;
  using Base::cache_;
  using Base::cluster_;
  using Base::head_offsets_;
  using Base::keys_;
  using Base::kKeyBytes;
  using Base::lane_;
  using Base::layout_;
  using Base::length_;
  using Base::memory_;
  using Base::position_;
  using Base::rank_;
  using Base::values_;
  using Base::wait_;

 public:
  __device__ __forceinline__ RowsFetching(const GridArguments& a, Memory& memory)
      : Base(a, memory) {}

  // All layers, by the whole warp; `tag`: of all layers so far.
  __device__ __forceinline__ void Run(uint32_t tag) {
#pragma unroll 1
    for (int layer = 0; layer <= a_.n_layer; ++layer) {
      const bool waits = layer > 0;
      if (waits) {
        this->began_.Wait(wait_);  // so all is over with the layer before that
#pragma unroll 1
        for (int k = R::kPlaces; k < most_; ++k) FetchChunks(k);
        this->FetchUp(layer - 1);
        this->FetchDown(layer - 1);
      }
      if (layer == a_.n_layer) {
        EmptyCells(tag, layer);
        break;
      }
      this->FindLayer(layer);
      if (waits) this->qkv_read_.Wait(wait_);
      this->FetchQkv(layer);
      if (!waits) FindRow();  // not before the first weights
      Plan(layer);
#pragma unroll 1
      for (int k = 0; k < min(most_, R::kPlaces); ++k) FetchChunks(k);
      if (waits) this->out_read_.Wait(wait_);
      this->FetchOut(layer);
      if (waits) EmptyCells(tag, layer);
    }
  }

 private:
  // Seen by all that will wait for the layer's plan.
  __device__ __forceinline__ void EmptyCells(uint32_t tag, int layer) const {
    int lane = lane_;
    int block = blockIdx.x;
    Forget(lane);
    Forget(block);
    RowCells<S, Memory::kRows>(a_, tag + static_cast<uint32_t>(layer) + 1)
        .Empty(block / kClusterBlocks, block % kClusterBlocks, lane);
    asm volatile("fence.acq_rel.gpu;" ::: "memory");
  }

  // The query whose chunks lane h < kHalves fetches, for half h; that which another one plans.
  __device__ __forceinline__ bool Fetches() const { return lane_ < kHalves; }
  __device__ __forceinline__ int Turn() const { return lane_ * kClusterBlocks + rank_; }
  __device__ __forceinline__ int Query() const {
    return Fetches() ? Turn() % R::kQueries : lane_ - kHalves;
  }
  __device__ __forceinline__ bool Plans() const { return lane_ < kHalves + R::kQueries; }

  // The row of the lane's query.
  __device__ __forceinline__ void FindRow() {
    const int row = Query() / H::kHeads;
    if (Plans() && row < a_.rows) Base::FindRow(row);
  }

  __device__ __forceinline__ void Plan(int layer) {
    chunks_ = 0;
    if (Plans()) {
      const int index = layer * a_.n_head + cluster_ * H::kHeads + Query() % H::kHeads;
      layout_ = a_.heads[index];
      const int keys = busy_ ? layout_.KeyCount(position_) : 0;
      const int chunks = (keys + kAttentionChunk - 1) / kAttentionChunk;
      if (busy_) {
        keys_ = cache_ + head_offsets_[index];
        values_ = keys_ + static_cast<int64_t>(layout_.Rows(length_)) * kKeyBytes;
      }
      if (Fetches()) {
        key_count_ = keys;
        first_chunk_ = Turn() / R::kQueries;
        if (chunks > first_chunk_) chunks_ = (chunks - first_chunk_ - 1) / R::kStep + 1;
      } else {
        QueryPlan& plan = memory_.plans[layer % 2].queries[Query()];
        const HeadPlan homes = this->HeadOf(layout_, keys, index);
        plan.chunks = chunks;
        plan.keys = keys;
        plan.own = keys > 0 ? layout_.OwnKey(position_) : -1;
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          plan.key_homes[i] = homes.key_homes[i];
          plan.value_homes[i] = homes.value_homes[i];
        }
      }
    }
    __syncwarp();
    if (lane_ == 0) Arrive(SharedAddress(&memory_.barriers.planned[layer % 2]));
    most_ = max(__shfl_sync(0xFFFFFFFFu, chunks_, 0), __shfl_sync(0xFFFFFFFFu, chunks_, 1));
  }

  // Each half's k-th chunk of the layer planned last, where it has one.
  __device__ __forceinline__ void FetchChunks(int k) {
    auto& barriers = memory_.barriers;
    const int place = turn_ % R::kPlaces;
    const bool has = k < chunks_;
    const int first = (first_chunk_ + k * R::kStep) * kAttentionChunk;
    const int count = min(key_count_ - first, kAttentionChunk);
    const int half = lane_ % kHalves;
    auto& slot = memory_.slots[half * R::kPlaces + place];
    const auto fetch = [&](const uint64_t& read, const uint64_t& there, auto& to,
                           const std::byte* from) {
      if (has) {
        if (turn_ >= R::kPlaces) {
          wait_.For(SharedAddress(&read), (turn_ / R::kPlaces - 1) % 2);
        }
        const uint32_t barrier = SharedAddress(&there);
        Expect(barrier, count * kKeyBytes);
        Copy(SharedAddress(&to), from, first, count, barrier);
      }
      __syncwarp();
    };
    fetch(barriers.keys_read[half][place], barriers.keys_there[half][place], slot.keys, keys_);
    fetch(barriers.values_read[half][place], barriers.values_there[half][place], slot.values,
          values_);
    if (has) ++turn_;
  }
  // Keys first, first + 1, ... of the lane's query.
  __device__ __forceinline__ void Copy(uint32_t to, const std::byte* from, int first, int count,
                                       uint32_t barrier) const {
    const auto rows = [&](int at, int row, int of) {
      cluster::CopyBulk(to + static_cast<uint32_t>(at * kKeyBytes),
                        from + static_cast<int64_t>(row) * kKeyBytes, of * kKeyBytes, barrier);
    };
    const KeyStretches stretches = layout_.StretchesOf(position_, length_);
    if (!stretches.straight) {
#pragma unroll 1
      for (int i = 0; i < count; ++i) rows(i, layout_.KeyRow(position_, first + i, length_), 1);
      return;
    }
    const int before = min(max(stretches.split - first, 0), count);  // keys of the first stretch
    if (before > 0) rows(0, first, before);
    if (before < count) rows(before, first + before + stretches.jump, count - before);
  }

  // Of the half that the lane fetches for.
  int chunks_ = 0;  // of the layer
  int first_chunk_ = 0;
  int key_count_ = 0;  // of its query
  int turn_ = 0;       // chunks so far
  int most_ = 0;       // chunks_ of any half
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_ROWS_FETCHING_CUH_
