// A block's part in its cluster's attention: chunks of keys, one to each half of the block at a
// time; whatever the cluster combines goes to all of its blocks.
//
//   q, k, v (from the cluster's blocks) -> scores | values | -> the chunk's share, to every block
// A bar is a barrier of the half. Sums are those of attention_early.cuh: the two lane groups' sums
// of a value that its warps add first are a warp's here.

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_ATTENTION_CUH_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_ATTENTION_CUH_

#include <cstdint>

#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/heads_memory.cuh"
#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/attention_vectors.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::grid {

template <class S, class Memory>
class HeadsAttention {
 protected:
  using H = HeadsSizes<S>;
  static constexpr Operand kOperand = Memory::kOperand;
  using Traits = OperandTraits<kOperand>;
  using KeyTurns = attention::VectorTurns<kHalfWarps, S::kKeyLanes>;

  // Values: kGroups groups of threads take the keys in turn, those of a value's lane groups; a
  // thread has four elements. Two warps have the lane groups of one warp of attention_early.cuh,
  // every second one each.
  static constexpr int kQuads = S::kValue / 4;  // threads of a group
  static constexpr int kGroups = kHalfThreads / kQuads;
  static constexpr int kTurns = kAttentionChunk / kGroups;
  static constexpr int kWarpGroups = 32 / kQuads;
  static constexpr int kKeys = KeyTurns::kTurns;  // of a thread
  static_assert(kKeys * 2 == S::kKeyLanes);
  static constexpr int kPairs = S::kValue / 2;

 public:
  __device__ __forceinline__ HeadsAttention(const GridArguments& a, Memory& memory, int thread)
      : a_(a),
        memory_(memory),
        thread_(thread % kHalfThreads),
        half_(thread / kHalfThreads),
        rank_(static_cast<int>(blockIdx.x) % kClusterBlocks) {}

  // How many shares the layer's heads have, in all.
  __device__ __forceinline__ int Shares(int layer) const {
    int shares = 0;
#pragma unroll
    for (int head = 0; head < H::kHeads; ++head) shares += max(Chunks(layer, head), 1);
    return shares;
  }

  // Whether the half has a chunk of the layer.
  __device__ __forceinline__ bool Has(int layer) const {
    return memory_.plans[layer % 2].slots[half_].used;
  }

  // A thread's part of a chunk's keys.
  struct Keys {
    uint4 vectors[kKeys];
  };

  // Of the half's first chunk of the layer, before the query is there; anything where it has none.
  // Requires that keys are there.
  __device__ __forceinline__ Keys FirstKeys() const { return KeysOf(half_); }

  // The half's chunks of the layer; `keys`: of the first. Requires the query.
  __device__ __forceinline__ void Attend(int layer, Keys keys) {
    const SlotPlan* const plans = memory_.plans[layer % 2].slots;
#pragma unroll 1
    for (int slot = half_;;) {
      AttendSlot(slot, plans[slot].count, plans[slot].own, keys);
      slot += kHalves;
      if (slot >= kSlots || !plans[slot].used) break;  // nor are later ones
      keys = KeysOf(slot);
    }
  }

 protected:
  __device__ __forceinline__ int Chunks(int layer, int head) const {
    return memory_.plans[layer % 2].heads[head].chunks;
  }
  __device__ __forceinline__ void Sync() const {
    SyncThreads(kFirstTeamBarrier + half_, kHalfThreads);
  }

  // The thread's key of turn `turn`, in the order of scores; its value's.
  __device__ __forceinline__ int KeyOf(int turn) const {
    return turn * KeyTurns::kGroups + thread_ / S::kKeyLanes;
  }
  __device__ __forceinline__ int ValueKeyOf(int turn, int group_of_warp) const {
    const int warp = thread_ / 32;
    return turn * kGroups + warp / 2 * (2 * kWarpGroups) + group_of_warp * 2 + warp % 2;
  }

  __device__ __forceinline__ Keys KeysOf(int slot) const {
    const uint4* const from = &memory_.slots[slot].keys[0][0] + thread_;
    Keys keys;
#pragma unroll
    for (int i = 0; i < kKeys; ++i) keys.vectors[i] = from[i * kHalfThreads];
    return keys;
  }
  // With the query's own, the chunk's `own`-th, in its place.
  __device__ __forceinline__ void PutOwn(int head, int own, Keys& keys) const {
    const uint4 vector =
        reinterpret_cast<const uint4*>(memory_.exchange.own_key[head])[thread_ % S::kKeyLanes];
#pragma unroll
    for (int i = 0; i < kKeys; ++i) {
      if (KeyOf(i) == own) keys.vectors[i] = vector;
    }
  }

  __device__ __forceinline__ void AttendSlot(int slot, int count, int own, Keys& keys) {
    const int unit = slot * kClusterBlocks + rank_;
    const int head = unit % H::kHeads;
    float* const scores = memory_.scores[half_];
    DecodeAttention scaled;
    scaled.scale = a_.scale;
    const attention::VectorQuery<S::kKeyLanes> query(scaled, memory_.exchange.query[head]);
    if (own >= 0) PutOwn(head, own, keys);
    Score(count, keys, query);
    uint2 values[kTurns];
    LoadValues(slot, head, count, own, values);
    Sync();
    const float largest = attention::LargestScore(scores, count);
    Weigh(count, values, largest);
    Sync();
    SendShare(unit, largest);
  }

  // As attention::Score: a key's lanes add their products in the order of a butterfly. As long as a
  // lane has several keys' it passes half of them on, and keeps those of the other half.
  __device__ __forceinline__ void Score(int count, const Keys& keys,
                                        const attention::VectorQuery<S::kKeyLanes>& query) const {
    float products[kKeys];
#pragma unroll
    for (int i = 0; i < kKeys; ++i) {
      float elements[attention::kVector];
      attention::Widen<kOperand>(keys.vectors[i], elements);
      products[i] = 0;
#pragma unroll
      for (int j = 0; j < attention::kVector; ++j) {
        products[i] = fmaf(query.elements[j], elements[j], products[i]);
      }
    }
    int turn = 0;
#pragma unroll
    for (int left = kKeys / 2; left > 0; left /= 2) {
      const bool upper = (thread_ & (2 * left)) != 0;
      if (upper) turn += left;
#pragma unroll
      for (int i = 0; i < left; ++i) {
        const float sent = upper ? products[i] : products[i + left];
        const float kept = upper ? products[i + left] : products[i];
        products[i] = kept + __shfl_xor_sync(0xFFFFFFFFu, sent, 2 * left);
      }
    }
    const float score = products[0] + __shfl_xor_sync(0xFFFFFFFFu, products[0], 1);
    const int key = KeyOf(turn);
    if (thread_ % 2 == 0 && key < count) memory_.scores[half_][key] = score;
  }

  // The thread's four elements of its values.
  __device__ __forceinline__ void LoadValues(int slot, int head, int count, int own,
                                             uint2 (&values)[kTurns]) const {
    const int lane = thread_ % 32;
    const int quad = lane % kQuads;
    const auto* const all =
        reinterpret_cast<const uint2*>(&memory_.slots[slot].values[0][0]) + quad;
    const auto* const own_value =
        reinterpret_cast<const uint2*>(memory_.exchange.own_value[head]) + quad;
#pragma unroll
    for (int i = 0; i < kTurns; ++i) {
      const int key = ValueKeyOf(i, lane / kQuads);
      values[i] = *(key == own ? own_value : all + key * kQuads);
      if (key >= count) values[i] = make_uint2(0, 0);  // not copied
    }
  }

  __device__ __forceinline__ void Weigh(int count, const uint2 (&values)[kTurns], float largest) {
    constexpr int kWarpKeys = kTurns * kWarpGroups;
    static_assert(kWarpKeys == 16);
    const int warp = thread_ / 32;
    const int lane = thread_ % 32;
    const int quad = lane % kQuads;
    // A key of the warp's for each lane, twice.
    const int known = ValueKeyOf(lane % kWarpKeys / kWarpGroups, lane % kWarpGroups);
    const float known_weight = known < count ? Exp2(memory_.scores[half_][known] - largest) : 0.0f;
    float sums[4] = {};
    float weights = 0;
#pragma unroll
    for (int i = 0; i < kTurns; ++i) {
      const float weight = __shfl_sync(0xFFFFFFFFu, known_weight, i * kWarpGroups + lane / kQuads);
      const float2 low = Traits::Unpack(values[i].x);
      const float2 high = Traits::Unpack(values[i].y);
      sums[0] = fmaf(weight, low.x, sums[0]);
      sums[1] = fmaf(weight, low.y, sums[1]);
      sums[2] = fmaf(weight, high.x, sums[2]);
      sums[3] = fmaf(weight, high.y, sums[3]);
      weights += weight;
    }
#pragma unroll
    for (int distance = 16; distance >= kQuads; distance /= 2) {
#pragma unroll
      for (float& sum : sums) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, distance);
      weights += __shfl_xor_sync(0xFFFFFFFFu, weights, distance);
    }
    if (lane >= kQuads) return;
    *reinterpret_cast<float4*>(&memory_.mixed[half_][warp][quad * 4]) =
        make_float4(sums[0], sums[1], sums[2], sums[3]);
    if (lane == 0) memory_.weights[half_][warp] = weights;
  }

  // A chunk's sums: two values of a lane, and of the weights.
  struct Share {
    float2 values;
    float weights;
  };
  // Of what the half's warps have left.
  __device__ __forceinline__ Share SumOfWarps() const {
    const int lane = thread_ % 32;
    const auto sum_of = [](const auto& read) {
      float sum = 0;
#pragma unroll
      for (int w = 0; w < kHalfWarps; w += 2) sum += read(w) + read(w + 1);
      return sum;
    };
    float2 of_warp[kHalfWarps];
#pragma unroll
    for (int w = 0; w < kHalfWarps; ++w) {
      of_warp[w] = reinterpret_cast<const float2*>(memory_.mixed[half_][w])[lane % kPairs];
    }
    return {make_float2(sum_of([&](int w) { return of_warp[w].x; }),
                        sum_of([&](int w) { return of_warp[w].y; })),
            sum_of([&](int w) { return memory_.weights[half_][w]; })};
  }

  // To block w, by warp w of the half: two values a lane, then what they are to be weighted by.
  __device__ __forceinline__ void SendShare(int unit, float largest) const {
    const Share share = SumOfWarps();
    SendShareTo(memory_.exchange.shares[unit], thread_ / 32, share, largest);
  }
  __device__ __forceinline__ void SendShareTo(const float* place, int block, const Share& share,
                                              float largest) const {
    const auto there = static_cast<uint32_t>(block);
    const int lane = thread_ % 32;
    const uint32_t to = cluster::AddressIn(SharedAddress(place), there);
    const uint32_t barrier =
        cluster::AddressIn(SharedAddress(&memory_.barriers.shares_came), there);
    if (lane < kPairs) {
      cluster::Send(to + lane * 8,
                    make_uint2(__float_as_uint(share.values.x), __float_as_uint(share.values.y)),
                    barrier);
    }
    if (lane == 0) {
      cluster::Send(to + S::kValue * 4,
                    make_uint2(__float_as_uint(largest), __float_as_uint(share.weights)), barrier);
    }
  }

  const GridArguments& a_;
  Memory& memory_;
  const int thread_;  // of the half
  const int half_;
  const int rank_;  // of the block in its cluster
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_ATTENTION_CUH_
