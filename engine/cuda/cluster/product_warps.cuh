// A group's product warps: the network of section 5.2, layer by layer, all of it but attention.
//
// Block r owns elements 16 r to 16 r + 15 of the residual stream, of every sequence of the group;
// all four warps hold them, in float32, a lane four of one column. What every block needs of them
// is sent to all, in bfloat16, each warp to four blocks.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_WARPS_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_WARPS_CUH_

#include <cstdint>

#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/cluster/group.cuh"
#include "engine/cuda/cluster/product.cuh"
#include "engine/cuda/cluster/row_drawing.cuh"
#include "engine/cuda/cluster/row_embedding.cuh"
#include "engine/cuda/cluster/weight_ring.cuh"
#include "engine/cuda/kernels/activation.cuh"

namespace strided::cuda::cluster {

// Not inlined: a layer's instructions should stay few.
__device__ __noinline__ inline float4 ActivateExactly(Activation activation, float4 x) {
  return make_float4(Activate(activation, x.x), Activate(activation, x.y),
                     Activate(activation, x.z), Activate(activation, x.w));
}

// quick_gelu(x) = x / (1 + exp(-1.702 x)) = x/2 (1 + tanh(0.851 x)), by an instruction whose error
// is below bfloat16's.
__device__ __forceinline__ float QuickGelu(float x) {
  float tangent;
  asm("tanh.approx.f32 %0, %1;" : "=f"(tangent) : "f"(0.851F * x));
  return fmaf(0.5F * x, tangent, 0.5F * x);
}

// f.
__device__ __forceinline__ float4 ActivateFour(Activation activation, float4 x) {
  if (activation != Activation::kQuickGelu) return ActivateExactly(activation, x);
  return make_float4(QuickGelu(x.x), QuickGelu(x.y), QuickGelu(x.z), QuickGelu(x.w));
}

__device__ __forceinline__ uint2 PackFour(float4 x) {
  return make_uint2(Bfloat16::Pack(x.x, x.y), Bfloat16::Pack(x.z, x.w));
}
// What is left of x when it has been packed.
__device__ __forceinline__ float4 RestOf(float4 x, uint2 packed) {
  const float2 low = Bfloat16::Unpack(packed.x);
  const float2 high = Bfloat16::Unpack(packed.y);
  return make_float4(x.x - low.x, x.y - low.y, x.z - high.x, x.w - high.y);
}

template <class S, int kSlots>
class ProductWarp {
 public:
  using Memory = GroupMemory<S>;

  __device__ ProductWarp(const StepArguments& a, const Group<S>& group, int group_index,
                         const RingReader<kSlots>& ring, BoundedWait wait)
      : a_(a),
        group_(group),
        group_index_(group_index),
        threads_{1 + group_index},
        at_(threads_.Thread()),
        rank_(static_cast<int>(RankInCluster())),
        is_row_(at_.column < group.rows),
        ring_(ring),
        wait_(wait),
        hidden_{group.Barrier(Signal::kHidden)},
        mixed_{group.Barrier(Signal::kMixed)},
        expanded_{group.Barrier(Signal::kExpanded)},
        logits_{group.Barrier(Signal::kLogits)},
        tokens_{group.Barrier(Signal::kTokens)} {
    for (int i = 0; i < kSentBlocks; ++i) {
      to_[i] = AddressIn(group.area, at_.warp * kSentBlocks + i) - group.area;
    }
    if (!is_row_) return;
    const DecodeRow& row = a.rows[group.first_row + at_.column];
    position_ = row.position;
    input_ = row.input;
    start_ = a.sequences[row.slot].start;
  }

  __device__ void Run() {
    FindDrawnRow();
    for (int step = 0; step < a_.steps; ++step) {
      Embed(step);
      for (int layer = 0; layer < a_.n_layer; ++layer) {
        QueryKeyValue();
        Output();
        Up();
        Down();
      }
      Head();
      Draw(step);
    }
    if (draws_ && threads_.Thread() == 0) a_.rows[drawn_at_] = drawn_row_;
  }

 private:
  static constexpr int kSentBlocks = kBlocks / kProductWarps;  // that a warp sends to

  __device__ __forceinline__ bool KeepsBooks() const {
    return at_.warp == kProductWarps - 1 && at_.lane == 0;
  }
  // Ends a stage, once its warps have passed a barrier after reading: its weights' place is free,
  // and what `signal` told may come again. Nobody waits for this: what has been sent goes first.
  __device__ __forceinline__ void EndStage(int chunks, Signal signal, int bytes) {
    if (KeepsBooks()) {
      ring_.Release();
      Expect(group_.Barrier(signal), bytes);
    }
    ring_.Advance(chunks);
  }

  // Four elements of the lane's column to all blocks.
  __device__ __forceinline__ void SendToAll(uint32_t operand, int step, float4 x, Signal signal) {
    const uint2 packed = PackFour(x);
    const uint32_t place =
        operand + step * kOperandBytes + at_.column * kColumnBytes + at_.quad * 8;
#pragma unroll
    for (int i = 0; i < kSentBlocks; ++i) {
      if (is_row_) Send(place + to_[i], packed, group_.Barrier(signal) + to_[i]);
    }
  }
  __device__ __forceinline__ void SendResidual() {
    SendToAll(group_.area + Memory::kHidden, rank_, residual_, Signal::kHidden);
  }
  __device__ __forceinline__ void AddToResidual(float4 x, float4 bias) {
    residual_.x += x.x + bias.x;
    residual_.y += x.y + bias.y;
    residual_.z += x.z + bias.z;
    residual_.w += x.w + bias.w;
  }

  // The input of the step: x(t-1) and its position.
  __device__ void Embed(int step) {
    const RowEmbedding embedding(a_.tables, position_ + step, rank_ * kTile + at_.quad * 4);
    if (step > 0) {
      tokens_.Wait(wait_);
      input_ = static_cast<int32_t>(Load4(group_.area + Memory::kTokens + at_.column * 4));
    }
    if (is_row_) residual_ = embedding.With(input_, start_);
    SendResidual();
  }

  // q, k, v = W norm(H), each to the block that attends for its sequence and head.
  __device__ void QueryKeyValue() {
    constexpr int kTiles = S::kQkvTiles;
    const uint32_t sums = group_.area + Memory::kWideSums;
    const uint32_t moments = group_.area + Memory::kMoments;
    Product<kTiles, 1, true> product;
    ring_.Wait(wait_);
    product.Fetch(ring_, at_);
    const int tile = min(at_.warp, kTiles - 1);  // the warp's own
    const TileConstants constants = TileConstants::Of(ring_.Chunk(tile), at_);
    hidden_.Wait(wait_);
    product.Multiply(ring_, at_, group_.area + Memory::kHidden, sums, Memory::kWidePitch, moments);
    threads_.Sync();
    if (at_.warp < kTiles && is_row_) {
      const Normaliser norm = Normaliser::Of(moments, at_.column, a_.norm_epsilon);
      const float4 x = norm.Apply(SumOfWarps(sums, Memory::kWidePitch, tile, at_),
                                  constants.row_sums, constants.bias);
      SendToAttention((rank_ * kTiles + tile) * kTile + at_.quad * 4, x);
    }
    EndStage(kTiles, Signal::kHidden, group_.HiddenBytes());
  }

  // Outputs `first` to `first` + 3 of [head][query | key | value].
  __device__ __forceinline__ void SendToAttention(int first, float4 x) {
    const int head = first / S::kHeadOutputs;
    const int within = first % S::kHeadOutputs;
    const int pair = at_.column * S::kHeads + head;
    const int index = pair / kBlocks;  // of the block's pairs
    const uint32_t vectors = group_.area + Memory::kQueries + index * Memory::kPairBytes;
    const uint32_t local = group_.area;
    const uint32_t there = AddressIn(local, Group<S>::BlockOf(pair)) - local;
    const uint32_t barrier = group_.Barrier(Signal::kPair, index) + there;
    const uint2 packed = PackFour(x);
    if (within < S::kKey) {
      Send(vectors + within * 2 + there, packed, barrier);
      const uint2 rest = PackFour(RestOf(x, packed));
      Send(vectors + (S::kKey + within) * 2 + there, rest, barrier);
    } else {  // keys, then values, follow the query's two parts
      Send(vectors + (S::kKey + within) * 2 + there, packed, barrier);
    }
  }

  // H += O attend(q, K_S, V_S)
  __device__ void Output() {
    Accumulate<S::kMixedChunks>(mixed_, Memory::kMixed, Signal::kMixed, group_.MixedBytes());
  }
  // H += down(f(up(norm(H))))
  __device__ void Down() {
    Accumulate<S::kFfTiles>(expanded_, Memory::kExpanded, Signal::kExpanded,
                            group_.ExpandedBytes());
  }

  // The block's tile of a product of `kChunks` chunks of inputs, added to the residual stream.
  template <int kChunks>
  __device__ __forceinline__ void Accumulate(Exchange& inputs, int operand, Signal signal,
                                             int bytes) {
    const uint32_t sums = group_.area + Memory::kNarrowSums;
    Product<1, kChunks, false> product;
    ring_.Wait(wait_);
    product.Fetch(ring_, at_);
    const float4 bias = LoadFloats(ring_.Chunk(0) + kBiasAt + at_.quad * 16);
    inputs.Wait(wait_);
    product.Multiply(ring_, at_, group_.area + operand, sums, Memory::kNarrowPitch, 0);
    threads_.Sync();
    AddToResidual(SumOfWarps(sums, Memory::kNarrowPitch, 0, at_), bias);
    SendResidual();
    EndStage(kChunks, signal, bytes);
  }

  // f(up(norm(H)))
  __device__ void Up() {
    constexpr int kTiles = S::kFfTiles;
    const uint32_t sums = group_.area + Memory::kWideSums;
    const uint32_t moments = group_.area + Memory::kMoments;
    Product<kTiles, 1, true> product;
    ring_.Wait(wait_);
    product.Fetch(ring_, at_);
    TileConstants constants[kTiles];
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      constants[tile] = TileConstants::Of(ring_.Chunk(tile), at_);
    }
    hidden_.Wait(wait_);
    product.Multiply(ring_, at_, group_.area + Memory::kHidden, sums, Memory::kWidePitch, moments);
    threads_.Sync();
    const Normaliser norm = Normaliser::Of(moments, at_.column, a_.norm_epsilon);
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      const float4 x = norm.Apply(SumOfWarps(sums, Memory::kWidePitch, tile, at_),
                                  constants[tile].row_sums, constants[tile].bias);
      SendToAll(group_.area + Memory::kExpanded, rank_ * kTiles + tile,
                ActivateFour(a_.activation, x), Signal::kExpanded);
    }
    EndStage(kTiles, Signal::kHidden, group_.HiddenBytes());
  }

  // logits = head(norm(H)), each sequence's to the block that draws for it.
  __device__ void Head() {
    const uint32_t sums = group_.area + Memory::kWideSums;
    const uint32_t moments = group_.area + Memory::kMoments;
    Product<1, 1, true> product;
    ring_.Wait(wait_);
    product.Fetch(ring_, at_);
    const TileConstants constants = TileConstants::Of(ring_.Chunk(0), at_);
    hidden_.Wait(wait_);
    product.Multiply(ring_, at_, group_.area + Memory::kHidden, sums, Memory::kWidePitch, moments);
    threads_.Sync();
    EndStage(1, Signal::kHidden, group_.HiddenBytes());
    if (KeepsBooks()) Expect(group_.Barrier(Signal::kTokens), group_.TokenBytes());
    if (at_.warp != 0 || !is_row_) return;
    Normaliser norm;
    if (a_.final_norm) norm = Normaliser::Of(moments, at_.column, a_.final_epsilon);
    const float4 logits = norm.Apply(SumOfWarps(sums, Memory::kWidePitch, 0, at_),
                                     constants.row_sums, constants.bias);
    const int block = DrawingBlock(at_.column, group_index_);
    const uint32_t place =
        group_.area + Memory::kLogits + (rank_ * kTile + at_.quad * 4) * sizeof(float);
    Send(AddressIn(place, block), logits, AddressIn(group_.Barrier(Signal::kLogits), block));
  }

  // Whether this block draws for one of the group's rows, and for which.
  __device__ void FindDrawnRow() {
    const int twice = (rank_ - group_index_ + kBlocks) % kBlocks;
    draws_ = twice % 2 == 0 && twice / 2 < group_.rows;
    if (!draws_) return;
    drawn_column_ = twice / 2;
    drawn_at_ = group_.first_row + drawn_column_;
    drawn_row_ = a_.rows[drawn_at_];
  }

  __device__ void Draw(int step) {
    if (!draws_) return;
    logits_.Wait(wait_);
    auto& scratch = *reinterpret_cast<DrawingScratch*>(
        __cvta_shared_to_generic(group_.area + Memory::kScratch));
    const auto* const logits =
        static_cast<const float*>(__cvta_shared_to_generic(group_.area + Memory::kLogits));
    const TokenPlace place = {group_.area + Memory::kTokens + drawn_column_ * 4,
                              group_.Barrier(Signal::kTokens), step + 1 < a_.steps};
    drawn_row_ =
        Next(drawn_row_, DrawRow(a_, drawn_row_, drawn_at_, logits, scratch, threads_, place));
    if (KeepsBooks()) Expect(group_.Barrier(Signal::kLogits), Group<S>::kLogitBytes);
  }

  const StepArguments& a_;
  const Group<S> group_;
  const int group_index_;
  const GroupThreads threads_;
  const LaneOf at_;
  const int rank_;
  const bool is_row_;  // whether the lane's column is a sequence
  RingReader<kSlots> ring_;
  BoundedWait wait_;
  Exchange hidden_;
  Exchange mixed_;
  Exchange expanded_;
  Exchange logits_;
  Exchange tokens_;
  uint32_t to_[kSentBlocks];  // from an address of this block to those it sends to

  int position_ = 0;  // of the column's first step
  int32_t input_ = -1;
  const float* start_ = nullptr;
  float4 residual_ = {};

  bool draws_ = false;
  int drawn_column_ = 0;
  int drawn_at_ = 0;  // of the rows
  DecodeRow drawn_row_;
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_WARPS_CUH_
