// A block's part in its cluster's attention: chunks of keys, one to each half of the block at a
// time; whatever the cluster combines goes to all of its blocks.
//
//   q, k, v (from the cluster's blocks) -> scores | values | -> the chunk's share, to every block
//   shares -> mixed, by every warp that multiplies it
// A bar is a barrier of the half. Sums are those of attention_early.cuh and Combine
// (attention_chunk.cuh): the two lane groups' sums of a value that its warps add first are a warp's
// here.

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_ATTENTION_CUH_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_ATTENTION_CUH_

#include <cstdint>

#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/heads_memory.cuh"
#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/attention_vectors.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"
#include "engine/cuda/kernels/warp_math.cuh"

namespace strided::cuda::grid {

template <class S, class Memory>
class HeadsAttention {
 public:
  __device__ __forceinline__ HeadsAttention(const GridArguments& a, Memory& memory)
      : a_(a),
        memory_(memory),
        thread_(threadIdx.x % kHalfThreads),
        half_(threadIdx.x / kHalfThreads),
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

  // The half's chunks of the layer. Requires their keys and values, and the query.
  __device__ __forceinline__ void Attend(int layer) {
#pragma unroll 1
    for (int slot = half_; slot < kSlots; slot += kHalves) {
      const SlotPlan& plan = memory_.plans[layer % 2].slots[slot];
      if (!plan.used) break;  // nor are later ones
      AttendSlot(slot, plan.count, plan.own);
    }
  }

  // The elements 2 * lane and 2 * lane + 1 of the cluster's group of mixed values.
  __device__ __forceinline__ uint32_t Combine(int layer) const {
    const int lane = thread_ % 32;
    const int mine = 2 * lane / S::kValue;
    float2 mixed = make_float2(0, 0);
#pragma unroll
    for (int head = 0; head < H::kHeads; ++head) {
      const float2 of_head = CombineHead(head, Chunks(layer, head), 2 * lane % S::kValue);
      if (head == mine) mixed = of_head;
    }
    return Traits::Pack(mixed.x, mixed.y);
  }

 private:
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

  __device__ __forceinline__ int Chunks(int layer, int head) const {
    return memory_.plans[layer % 2].heads[head].chunks;
  }
  __device__ __forceinline__ void Sync() const {
    SyncThreads(kFirstTeamBarrier + half_, kHalfThreads);
  }

  __device__ __forceinline__ void AttendSlot(int slot, int count, int own) {
    const int unit = slot * kClusterBlocks + rank_;
    const int head = unit % H::kHeads;
    float* const scores = memory_.scores[half_];
    DecodeAttention scaled;
    scaled.scale = a_.scale;
    const attention::VectorQuery<S::kKeyLanes> query(scaled, memory_.exchange.query[head]);
    Score(slot, head, count, own, query);
    Sync();
    const float largest = attention::LargestScore(scores, count);
    Weigh(slot, head, count, own, largest);
    Sync();
    SendShare(unit, largest);
  }

  // As attention::Score: a key's lanes add their products in the order of a butterfly. As long as a
  // lane has several keys' it passes half of them on, and keeps those of the other half.
  __device__ __forceinline__ void Score(int slot, int head, int count, int own,
                                        const attention::VectorQuery<S::kKeyLanes>& query) const {
    constexpr int kKeys = KeyTurns::kTurns;  // of a thread
    static_assert(kKeys * 2 == S::kKeyLanes);
    const uint4* const keys = &memory_.keys[slot][0][0] + thread_;
    const auto* const own_key =
        reinterpret_cast<const uint4*>(memory_.exchange.own_key[head]) + thread_ % S::kKeyLanes;
    float products[kKeys];
#pragma unroll
    for (int i = 0; i < kKeys; ++i) {
      const int key = i * KeyTurns::kGroups + thread_ / S::kKeyLanes;
      const uint4 vector = *(key == own ? own_key : keys + i * kHalfThreads);
      float elements[attention::kVector];
      attention::Widen<kOperand>(vector, elements);
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
    const int key = turn * KeyTurns::kGroups + thread_ / S::kKeyLanes;
    if (thread_ % 2 == 0 && key < count) memory_.scores[half_][key] = score;
  }

  __device__ __forceinline__ void Weigh(int slot, int head, int count, int own, float largest) {
    constexpr int kWarpKeys = kTurns * kWarpGroups;
    static_assert(kWarpKeys == 16);
    const int warp = thread_ / 32;
    const int lane = thread_ % 32;
    const int quad = lane % kQuads;
    const auto key_of = [&](int turn, int group_of_warp) {
      return turn * kGroups + warp / 2 * (2 * kWarpGroups) + group_of_warp * 2 + warp % 2;
    };
    const auto* const values = reinterpret_cast<const uint2*>(&memory_.values[slot][0][0]) + quad;
    const auto* const own_value =
        reinterpret_cast<const uint2*>(memory_.exchange.own_value[head]) + quad;
    // A key of the warp's for each lane, twice.
    const int known = key_of(lane % kWarpKeys / kWarpGroups, lane % kWarpGroups);
    const float known_weight = known < count ? Exp2(memory_.scores[half_][known] - largest) : 0.0f;
    float sums[4] = {};
    float weights = 0;
#pragma unroll
    for (int i = 0; i < kTurns; ++i) {
      const int key = key_of(i, lane / kQuads);
      const float weight = __shfl_sync(0xFFFFFFFFu, known_weight, i * kWarpGroups + lane / kQuads);
      uint2 four = *(key == own ? own_value : values + key * kQuads);
      if (key >= count) four = make_uint2(0, 0);  // not copied
      const float2 low = Traits::Unpack(four.x);
      const float2 high = Traits::Unpack(four.y);
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

  // To block w, by warp w of the half.
  __device__ __forceinline__ void SendShare(int unit, float largest) const {
    const int to = thread_ / 32;
    const int lane = thread_ % 32;
    if (lane > kQuads) return;
    float4 share = make_float4(0, 0, 0, 0);
    if (lane < kQuads) {
#pragma unroll
      for (int w = 0; w < kHalfWarps; w += 2) {
        const float4 a = *reinterpret_cast<const float4*>(&memory_.mixed[half_][w][lane * 4]);
        const float4 b = *reinterpret_cast<const float4*>(&memory_.mixed[half_][w + 1][lane * 4]);
        share.x += a.x + b.x;
        share.y += a.y + b.y;
        share.z += a.z + b.z;
        share.w += a.w + b.w;
      }
    } else {
      share.x = largest;
#pragma unroll
      for (int w = 0; w < kHalfWarps; w += 2) {
        share.y += memory_.weights[half_][w] + memory_.weights[half_][w + 1];
      }
    }
    const auto& exchange = memory_.exchange;
    const auto there = static_cast<uint32_t>(to);
    cluster::Send(cluster::AddressIn(SharedAddress(&exchange.shares[unit][lane * 4]), there), share,
                  cluster::AddressIn(SharedAddress(&memory_.barriers.shares_came), there));
  }

  // Elements `at` and the next of one head.
  __device__ __forceinline__ float2 CombineHead(int head, int chunks, int at) const {
    const auto share = [&](int chunk) { return memory_.exchange.shares[chunk * H::kHeads + head]; };
    if (chunks == 0) return make_float2(0, 0);
    if (chunks == 1) {
      const float inverse = 1.0f / share(0)[S::kValue + 1];
      const float2 values = *reinterpret_cast<const float2*>(share(0) + at);
      return make_float2(values.x * inverse, values.y * inverse);
    }
    constexpr int kBatch = 8;
    const int lane = thread_ % 32;  // also the chunk whose weight it knows
    const float2 of_lane = lane < chunks ? *reinterpret_cast<const float2*>(share(lane) + S::kValue)
                                         : make_float2(-INFINITY, 0.0f);
    const float weight = Exp2(of_lane.x - WarpMax(of_lane.x));
    float sum = 0;
    float2 value = make_float2(0, 0);
#pragma unroll 1
    for (int first = 0; first < chunks; first += kBatch) {
#pragma unroll
      for (int i = 0; i < kBatch; ++i) {
        const float by = __shfl_sync(0xFFFFFFFFu, weight, first + i);
        const float of = __shfl_sync(0xFFFFFFFFu, of_lane.y, first + i);
        // Without the chunk its weights are 0, and so is what they weigh.
        float2 part = make_float2(0, 0);
        if (first + i < chunks) part = *reinterpret_cast<const float2*>(share(first + i) + at);
        sum = fmaf(by, of, sum);
        value.x = fmaf(by, part.x, value.x);
        value.y = fmaf(by, part.y, value.y);
      }
    }
    return make_float2(value.x / sum, value.y / sum);
  }

  const GridArguments& a_;
  Memory& memory_;
  const int thread_;  // of the half
  const int half_;
  const int rank_;  // of the block in its cluster
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_ATTENTION_CUH_
