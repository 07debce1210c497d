// The warp of a block of heads that fetches: plans of layers, and copies of their weights, keys and
// values, as soon as those of the layer before have been read.
//
// Weights lie as packed, keys and values in the order of the query's. Copies are bulk copies: one
// for a tile, one or two for a chunk's keys where their rows are stretches, else one for each row.
// Other rows' places hold what earlier chunks left there.

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_FETCHING_CUH_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_FETCHING_CUH_

#include <cstdint>

#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/heads_memory.cuh"

namespace strided::cuda::grid {

template <class S, class Memory>
class HeadsFetching {
 public:
  __device__ __forceinline__ HeadsFetching(const GridArguments& a, Memory& memory)
      : a_(a),
        memory_(memory),
        lane_(threadIdx.x % 32),
        cluster_(static_cast<int>(blockIdx.x) / kClusterBlocks),
        rank_(static_cast<int>(blockIdx.x) % kClusterBlocks),
        wait_(a.error, ErrorWordOf(static_cast<int>(blockIdx.x), kWarps)),
        qkv_read_{SharedAddress(&memory.barriers.qkv_read), 0},
        out_read_{SharedAddress(&memory.barriers.out_read), 0},
        began_{SharedAddress(&memory.barriers.began), 0} {}

  // All layers, by the whole warp.
  __device__ __forceinline__ void Run() {
    cluster::Exchange keys_read{SharedAddress(&memory_.barriers.keys_read), 0};
    cluster::Exchange down_read{SharedAddress(&memory_.barriers.down_read), 0};
    // Whether the last slot has keys, where down's weights come into it.
    const bool shares =
        Memory::kDownShares && a_.chunks * H::kHeads > (kSlots - 1) * kClusterBlocks;
#pragma unroll 1
    for (int layer = 0; layer <= a_.n_layer; ++layer) {
      const bool waits = layer > 0;
      if (waits) {
        began_.Wait(wait_);  // so all is over with the layer before that
        FetchUp(layer - 1);
        if (!shares) FetchDown(layer - 1);
      }
      if (layer < a_.n_layer) {
        FindLayer(layer);
        if (waits) qkv_read_.Wait(wait_);
        FetchQkv(layer);
        if (!waits) FindRow(0);  // not before the first weights
        Plan(layer);
      }
      if (waits) {
        keys_read.Wait(wait_);
        if (shares) {
          FetchDown(layer - 1);
          down_read.Wait(wait_);
        }
      }
      if (layer == a_.n_layer) break;
      FetchKeys(layer);
      if (waits) out_read_.Wait(wait_);
      FetchOut(layer);
    }
  }

 protected:
  using H = HeadsSizes<S>;
  using Unit = WeightUnit<Memory::kFormat>;
  static constexpr int kSteps = S::kModel / kStepInputs;  // of qkv, out and up

  __device__ __forceinline__ void FindRow(int row) {
    const DecodeRow& state = a_.row_states[row];
    busy_ = state.slot >= 0;
    if (!busy_) return;
    const DeviceSequence& sequence = a_.sequences[state.slot];
    position_ = state.position;
    length_ = sequence.max_length;
    cache_ = sequence.cache;
    head_offsets_ = sequence.head_offsets;
  }

  // Where the layer's weights are.
  __device__ __forceinline__ void FindLayer(int layer) {
    constexpr int kWords = sizeof(DeviceLayer) / sizeof(uint64_t);
    static_assert(kWords * sizeof(uint64_t) == sizeof(DeviceLayer) && kWords <= 32);
    if (lane_ < kWords) {
      reinterpret_cast<uint64_t*>(&memory_.plans[layer % 2].layer)[lane_] =
          reinterpret_cast<const uint64_t*>(a_.layers + layer)[lane_];
    }
    __syncwarp();
  }
  // Lane s plans slot s; another one for each head.
  __device__ __forceinline__ void Plan(int layer) {
    HeadsPlan& plan = memory_.plans[layer % 2];
    const int head = lane_ < kSlots ? (lane_ * kClusterBlocks + rank_) % H::kHeads : lane_ - kSlots;
    const int index = layer * a_.n_head + cluster_ * H::kHeads + head;
    if (lane_ < kSlots + H::kHeads) {
      const HeadRows layout = a_.heads[index];
      const int keys = busy_ ? layout.KeyCount(position_) : 0;
      if (lane_ < kSlots) {
        plan.slots[lane_] = SlotOf(layout, keys, index);
      } else {
        plan.heads[head] = HeadOf(layout, keys, index);
      }
    }
    __syncwarp();
    if (lane_ == 0) Arrive(SharedAddress(&memory_.barriers.planned[layer % 2]));
  }
  // Also where its keys lie, for FetchKeys.
  __device__ __forceinline__ SlotPlan SlotOf(const HeadRows& layout, int keys, int index) {
    const int first = (lane_ * kClusterBlocks + rank_) / H::kHeads * kAttentionChunk;
    SlotPlan slot;
    slot.count = max(min(keys - first, kAttentionChunk), 0);
    slot.used = first == 0 || slot.count > 0;
    layout_ = layout;
    first_ = first;
    count_ = slot.count;
    if (slot.count == 0) return slot;
    keys_ = cache_ + head_offsets_[index];
    values_ = keys_ + static_cast<int64_t>(layout.Rows(length_)) * kKeyBytes;
    slot.own = layout.OwnKey(position_) - first;
    if (slot.own >= slot.count) slot.own = -1;
    return slot;
  }
  __device__ __forceinline__ HeadPlan HeadOf(const HeadRows& layout, int keys, int index) const {
    HeadPlan head;
    head.chunks = (keys + kAttentionChunk - 1) / kAttentionChunk;
    if (!busy_) return head;
    std::byte* const keys_at = cache_ + head_offsets_[index];
    std::byte* const values_at = keys_at + static_cast<int64_t>(layout.Rows(length_)) * kKeyBytes;
    const int homes[2] = {layout.Home(position_, length_), layout.SecondHome(position_, length_)};
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (homes[i] < 0) continue;
      head.key_homes[i] = keys_at + static_cast<int64_t>(homes[i]) * kKeyBytes;
      head.value_homes[i] = values_at + static_cast<int64_t>(homes[i]) * kKeyBytes;
    }
    return head;
  }

  __device__ __forceinline__ void FetchQkv(int layer) const {
    const int tiles = rank_ + kClusterBlocks < H::kQkvTiles ? 2 : 1;
    const DeviceMatrix& matrix = memory_.plans[layer % 2].layer.qkv;
    const uint32_t barrier = SharedAddress(&memory_.barriers.qkv_there);
    if (lane_ == 0) {
      Expect(barrier, tiles * static_cast<int>(sizeof(typename Memory::Tile)) +
                          static_cast<int>(sizeof(memory_.qkv_norm)));
    }
    FetchNorm(memory_.plans[layer % 2].layer.attn_norm, memory_.qkv_norm, barrier);
    if (lane_ >= tiles) return;
    const int tile = cluster_ * H::kQkvTiles + lane_ * kClusterBlocks + rank_;
    cluster::CopyBulk(SharedAddress(&memory_.qkv[lane_]), At(matrix, tile, 0),
                      sizeof(typename Memory::Tile), barrier);
  }
  __device__ __forceinline__ void FetchOut(int layer) const {
    const DeviceMatrix& matrix = memory_.plans[layer % 2].layer.out;
    const uint32_t barrier = SharedAddress(&memory_.barriers.out_there);
    if (lane_ == 0) Expect(barrier, sizeof(memory_.out));
    if (lane_ >= H::kOutTiles) return;
    cluster::CopyBulk(SharedAddress(&memory_.out[lane_]),
                      At(matrix, rank_ * H::kOutTiles + lane_, cluster_ * product::kGroupSteps),
                      sizeof(typename Memory::Group), barrier);
  }
  __device__ __forceinline__ void FetchUp(int layer) const {
    const DeviceMatrix& matrix = memory_.plans[layer % 2].layer.up;
    const uint32_t barrier = SharedAddress(&memory_.barriers.up_there);
    if (lane_ == 0) Expect(barrier, sizeof(memory_.up) + sizeof(memory_.up_norm));
    FetchNorm(memory_.plans[layer % 2].layer.mlp_norm, memory_.up_norm, barrier);
    if (lane_ >= S::kModelTeams) return;
    cluster::CopyBulk(SharedAddress(&memory_.up[lane_]),
                      At(matrix, H::UpTile(cluster_, rank_ * S::kModelTeams + lane_), 0),
                      sizeof(memory_.up[lane_]), barrier);
  }
  // By each lane a tile's part of a round.
  __device__ __forceinline__ void FetchDown(int layer) const {
    constexpr int kHiddenSteps = S::kHidden / kStepInputs;
    const DeviceMatrix& matrix = memory_.plans[layer % 2].layer.down;
    const uint32_t barrier = SharedAddress(&memory_.barriers.down_there);
    auto& to = memory_.down();
    if (lane_ == 0) Expect(barrier, sizeof(to));
    if (lane_ >= H::kOutTiles * H::kRounds) return;
    const int tile = lane_ / H::kRounds;
    const int round = lane_ % H::kRounds;
    const int step = H::UpGroup(cluster_, round * H::kDownParts) * product::kGroupSteps;
    const uint4* const from =
        Unit::Address(matrix.weights, rank_ * H::kOutTiles + tile, step, kHiddenSteps, 0);
    cluster::CopyBulk(SharedAddress(&to[tile][round]), reinterpret_cast<const std::byte*>(from),
                      sizeof(to[tile][round]), barrier);
  }
  // By the last two lanes.
  __device__ __forceinline__ void FetchNorm(const DeviceNorm& norm, float (&to)[2][S::kModel],
                                            uint32_t barrier) const {
    const int part = lane_ - 30;
    if (part < 0) return;
    const float* const from = part == 0 ? norm.weight : norm.bias;
    cluster::CopyBulk(SharedAddress(to[part]), reinterpret_cast<const std::byte*>(from),
                      sizeof(to[part]), barrier);
  }
  static __device__ __forceinline__ const std::byte* At(const DeviceMatrix& matrix, int tile,
                                                        int step) {
    return reinterpret_cast<const std::byte*>(Unit::Address(matrix.weights, tile, step, kSteps, 0));
  }

  // Of all slots, each by the lane that has planned it.
  __device__ __forceinline__ void FetchKeys(int layer) const {
    const uint32_t barrier = SharedAddress(&memory_.barriers.keys_there);
    int bytes = 0;
#pragma unroll
    for (int slot = 0; slot < kSlots; ++slot) {
      bytes += memory_.plans[layer % 2].slots[slot].count * 2 * kKeyBytes;
    }
    if (lane_ == 0) Expect(barrier, bytes);
    if (lane_ >= kSlots || count_ == 0) return;
    const KeyStretches rows = layout_.StretchesOf(position_, length_);
    if (!rows.straight) {
#pragma unroll 1
      for (int i = 0; i < count_; ++i) {
        CopyRows(i, layout_.KeyRow(position_, first_ + i, length_), 1, barrier);
      }
      return;
    }
    const int before = min(max(rows.split - first_, 0), count_);  // keys of the first stretch
    if (before > 0) CopyRows(0, first_, before, barrier);
    if (before < count_) CopyRows(before, first_ + before + rows.jump, count_ - before, barrier);
  }
  // `count` rows from `row` on, to key `at` of the lane's slot and those behind it.
  __device__ __forceinline__ void CopyRows(int at, int row, int count, uint32_t barrier) const {
    const int64_t from = static_cast<int64_t>(row) * kKeyBytes;
    cluster::CopyBulk(SharedAddress(&memory_.slots[lane_].keys[at]), keys_ + from,
                      count * kKeyBytes, barrier);
    cluster::CopyBulk(SharedAddress(&memory_.slots[lane_].values[at]), values_ + from,
                      count * kKeyBytes, barrier);
  }

  static constexpr int kKeyBytes = S::kKey * 2;  // of a key and of a value

  const GridArguments& a_;
  Memory& memory_;
  const int lane_;
  const int cluster_;
  const int rank_;  // of the block in it
  cluster::BoundedWait wait_;
  cluster::Exchange qkv_read_;
  cluster::Exchange out_read_;
  cluster::Exchange began_;
  // The step's row.
  bool busy_ = false;  // whether it is no idle one
  int position_ = 0;
  int length_ = 0;
  std::byte* cache_ = nullptr;
  const int64_t* head_offsets_ = nullptr;
  // The lane's slot.
  HeadRows layout_;
  int first_ = 0;  // key
  int count_ = 0;
  const std::byte* keys_ = nullptr;  // row 0
  const std::byte* values_ = nullptr;
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_FETCHING_CUH_
