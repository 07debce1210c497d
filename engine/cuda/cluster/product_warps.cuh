// A team of product warps: the network of section 5.2, layer by layer, all of it but attention, for
// its group.
//
// Block r owns elements 16 r T to 16 (r + 1) T - 1 of the residual stream, T tiles of it (1 for a
// width of 256), of every sequence of a group, in float32. What every block needs of them is sent
// to all, in bfloat16 (to_all_blocks.cuh).

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_WARPS_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_WARPS_CUH_

#include <cstdint>

#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/cluster/group.cuh"
#include "engine/cuda/cluster/product.cuh"
#include "engine/cuda/cluster/row_drawing.cuh"
#include "engine/cuda/cluster/row_embedding.cuh"
#include "engine/cuda/cluster/to_all_blocks.cuh"
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
template <int kTiles>
__device__ __forceinline__ void ActivateAll(Activation activation, float4 (&x)[kTiles]) {
  if (activation == Activation::kQuickGelu) {
#pragma unroll
    for (int i = 0; i < kTiles; ++i) {
      x[i] =
          make_float4(QuickGelu(x[i].x), QuickGelu(x[i].y), QuickGelu(x[i].z), QuickGelu(x[i].w));
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kTiles; ++i) x[i] = ActivateExactly(activation, x[i]);
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

template <class S, int kGroups>
class ProductWarp {
 public:
  static constexpr int kWarps = TeamWarpsOf(kGroups);
  using Memory = GroupMemory<S>;
  using Team = TeamMemory<S, kWarps>;
  using Block = BlockMemory<S, kGroups>;
  using Threads = TeamThreads<kWarps>;

  // `shared`: address of the block's shared memory.
  __device__ ProductWarp(const StepArguments& a, uint32_t shared, Threads threads, BoundedWait wait)
      : a_(a),
        group_(a, shared + Block::kGroupAreas, threads.team),
        sums_(shared + Block::kTeams + threads.team * Team::kBytes),
        threads_(threads),
        at_(threads.Thread()),
        rank_(static_cast<int>(RankInCluster())),
        ring_{shared + Block::kRing, shared + Block::kFull, shared + Block::kEmpty},
        wait_(wait),
        to_all_(shared, at_.warp) {}

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
    LeaveDrawnRow();
  }

 private:
  using ToAll = ToAllBlocks<kGroups>;
  static_assert(ToAll::kMulticast || ToAll::kSendingWarps == kWarps);
  // Fragments of weights that a warp holds through a stage: with several teams registers are few.
  static constexpr int kHeld = TeamsOf(kGroups) == 1 ? 8 : 4;
  template <int kTiles, int kChunks, bool kNormed>
  using ProductOf = Product<kTiles, kChunks, kNormed, kWarps, kHeld>;

  // A stage's passes, each once its weights are there. What of them is needed after the team's
  // barrier is read before: after the work their place is free.
  template <StageSize kSize, typename Work>
  __device__ __forceinline__ void ForEachPass(Work&& work) {
#pragma unroll 1
    for (int pass = 0; pass < kSize.passes(); ++pass) {
      ring_.Wait(wait_);
      work(pass);
      ring_.Advance(kSize.chunks_a_pass());
    }
  }
  template <StageSize kSize>
  static __device__ __forceinline__ bool IsLast(int pass) {
    return pass + 1 == kSize.passes();
  }

  __device__ __forceinline__ bool IsRow() const { return at_.column < group_.rows; }
  // Where the shares of a pass are put together.
  __device__ __forceinline__ uint32_t NextSums() {
    const uint32_t sums = sums_ + turn_ * Team::kTurnBytes;
    turn_ ^= 1;
    return sums;
  }
  // The residual stream's moments, which a stage's first pass writes.
  __device__ __forceinline__ uint32_t Moments() const {
    const uint32_t turn = parities_ >> static_cast<int>(Signal::kHidden) & 1;
    return group_.area + Memory::kMoments + turn * Memory::kMomentBytes;
  }
  __device__ __forceinline__ Normaliser NormOf(float epsilon) const {
    return Normaliser::Of<S::kWidth>(Moments(), at_.column, epsilon);
  }
  __device__ __forceinline__ void WaitFor(Signal signal) {
    wait_.For(group_.Barrier(signal), parities_ >> static_cast<int>(signal) & 1);
  }

  // Announces what `signal` will tell next, once the team has passed a barrier after reading.
  // Nobody waits for this: what has been sent goes first.
  __device__ __forceinline__ void Announce(Signal signal, int bytes) const {
    if (at_.warp == kWarps - 1 && at_.lane == 0) Expect(group_.Barrier(signal), bytes);
  }
  __device__ __forceinline__ void EndStage(Signal signal) {
    parities_ ^= 1U << static_cast<int>(signal);
  }

  // A pass's tiles are finished by one warp each, in turn; those that are sent to all blocks by
  // every warp, where each sends to some. Own tile `i` of kOwnTiles may be one of nobody's.
  template <int kTiles, bool kByAll>
  static constexpr int kOwnTiles = kByAll ? kTiles : (kTiles + kWarps - 1) / kWarps;
  template <int kTiles, bool kByAll>
  __device__ __forceinline__ int OwnTile(int i) const {
    return kByAll ? i : min(at_.warp + i * kWarps, kTiles - 1);
  }
  template <int kTiles, bool kByAll>
  __device__ __forceinline__ bool HasOwnTile(int i) const {
    return kByAll || at_.warp + i * kWarps < kTiles;
  }
  static constexpr bool kAllSend = !ToAll::kMulticast;

  // A step of an operand to all blocks, four elements of the lane's column.
  __device__ __forceinline__ void SendToAll(int operand, int step, float4 x, Signal signal) const {
    to_all_.Send(SliceRoom::Of<S>(a_, group_.area, group_.index), operand + step * kOperandBytes,
                 group_.rows * kColumnBytes, at_.lane * 8, IsRow(), PackFour(x),
                 group_.Barrier(signal));
  }

  // The residual stream: four elements of the lane's column in each of the block's tiles.
  __device__ __forceinline__ uint32_t ResidualOf(int tile) const {
    return group_.area + Memory::kResidual + tile * (kColumns * kTile * 4) + at_.lane * 16;
  }
  __device__ __forceinline__ void SendResidual(int tile, float4 residual) const {
    SendToAll(Memory::kHidden, rank_ * S::kWidthTiles + tile, residual, Signal::kHidden);
    if (!kAllSend || at_.warp == 0) Store(ResidualOf(tile), residual);
  }

  // The inputs of the step: x(t-1) and its position.
  __device__ void Embed(int step) {
    const DecodeRow& row = a_.rows[group_.first_row + (IsRow() ? at_.column : 0)];
    const RowEmbedding<S> embedding(a_.tables, row.position + step,
                                    rank_ * S::kWidthTiles * kTile + at_.quad * 4);
    const float* const start = a_.sequences[row.slot].start;
    int32_t input = row.input;
    if (step > 0) {
      WaitFor(Signal::kTokens);
      input = static_cast<int32_t>(Load4(group_.area + Memory::kTokens + at_.column * 4));
      EndStage(Signal::kTokens);
    }
#pragma unroll
    for (int tile = 0; tile < S::kWidthTiles; ++tile) {
      if (!kAllSend && at_.warp != tile % kWarps) continue;
      float4 residual = make_float4(0, 0, 0, 0);
      if (IsRow()) residual = embedding.With(input, start, tile);
      SendResidual(tile, residual);
    }
  }

  // q, k, v = W norm(H), each to the block that attends for its sequence and head.
  __device__ void QueryKeyValue() {
    constexpr StageSize kSize = S::kQueryKeyValue;
    constexpr int kTiles = kSize.pass_tiles();
    constexpr int kOwn = kOwnTiles<kTiles, false>;
    ForEachPass<kSize>([&](int pass) {
      const uint32_t sums = MultiplyNormed<kSize>(pass);
      TileConstants constants[kOwn];
      ReadConstants<kSize, false>(constants);
      threads_.Sync();
      if (IsLast<kSize>(pass)) Announce(Signal::kHidden, group_.HiddenBytes());
      if (!IsRow() || !HasOwnTile<kTiles, false>(0)) return;
      const Normaliser norm = NormOf(a_.norm_epsilon);
#pragma unroll
      for (int i = 0; i < kOwn; ++i) {
        if (!HasOwnTile<kTiles, false>(i)) continue;
        const int tile = OwnTile<kTiles, false>(i);
        const float4 x = SumOfWarps<kWarps>(sums, Team::kPitch, tile, at_);
        SendToAttention((rank_ * kSize.tiles + pass * kTiles + tile) * kTile + at_.quad * 4,
                        norm.Apply(x, constants[i].row_sums, constants[i].bias));
      }
    });
    EndStage(Signal::kHidden);
  }
  // A pass's product of the residual stream; returns where the shares are.
  template <StageSize kSize>
  __device__ __forceinline__ uint32_t MultiplyNormed(int pass) {
    ProductOf<kSize.pass_tiles(), kSize.pass_chunks(), true> product;
    product.Fetch(ring_, at_);
    const uint32_t sums = NextSums();
    WaitFor(Signal::kHidden);
    product.Multiply(ring_, at_, {group_.area + Memory::kHidden}, sums, Team::kPitch, Moments(),
                     pass == 0);
    return sums;
  }
  template <StageSize kSize, bool kByAll, int kOwn>
  __device__ __forceinline__ void ReadConstants(TileConstants (&constants)[kOwn]) const {
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const int first = OwnTile<kSize.pass_tiles(), kByAll>(i) * kSize.pass_chunks();
      constants[i] = TileConstants::Of<kSize.pass_chunks()>(ring_, first, at_);
    }
  }

  // Outputs `first` to `first` + 3 of [head][query | key | value].
  __device__ __forceinline__ void SendToAttention(int first, float4 x) const {
    const int head = first / S::kHeadOutputs;
    const int within = first % S::kHeadOutputs;
    const int pair = at_.column * S::kHeads + head;
    const int index = pair / kBlocks;  // of the block's pairs
    const uint32_t vectors = group_.area + Memory::kQueries + index * Memory::kPairBytes;
    const uint32_t local = group_.area;
    const uint32_t there = AddressIn(local, group_.BlockOf(pair)) - local;
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
    Accumulate<S::kOutput, Signal::kMixed>(
        {group_.area + Memory::kMixed, kColumnBytes, Memory::kMixedPitch});
  }
  // H += down(f(up(norm(H))))
  __device__ void Down() {
    Accumulate<S::kDown, Signal::kExpanded>({group_.area + Memory::kExpanded});
  }

  // The block's tiles of a product, added to the residual stream.
  template <StageSize kSize, Signal kSignal>
  __device__ __forceinline__ void Accumulate(const OperandPlace& operand) {
    using Pass = ProductOf<kSize.pass_tiles(), kSize.pass_chunks(), false>;
    static_assert(kSize.tiles == kSize.pass_tiles(), "a pass has all tiles");
    static_assert(kSize.passes() == 1 || kWarps == kParts, "a share is of one part");
    typename Pass::Share share;
    float4 bias[kOwnTiles<kSize.tiles, kAllSend>];
    ForEachPass<kSize>([&](int pass) {
      Pass product;
      product.Fetch(ring_, at_);
      if (IsLast<kSize>(pass)) ReadBias<kSize>(bias);
      WaitFor(kSignal);
      product.Add(ring_, at_, operand.From(pass * kSize.pass_chunks() * kChunkSteps), share, 0,
                  false);
      if (!IsLast<kSize>(pass)) return;
      const uint32_t sums = NextSums();
      share.Write(sums, Team::kPitch, at_);
      AddToResidual<kSize.tiles>(sums, bias);
      Announce(kSignal, group_.InputBytes(kSignal));
    });
    EndStage(kSignal);
  }
  // Of each tile, from the first of its chunks.
  template <StageSize kSize, int kOwn>
  __device__ __forceinline__ void ReadBias(float4 (&bias)[kOwn]) const {
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const int first = OwnTile<kSize.tiles, kAllSend>(i) * kSize.pass_chunks();
      bias[i] = LoadFloats(ring_.Chunk(first) + kBiasAt + at_.quad * 16);
    }
  }
  template <int kTiles, int kOwn>
  __device__ __forceinline__ void AddToResidual(uint32_t sums, const float4 (&bias)[kOwn]) const {
    float4 residual[kOwn];
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      residual[i] = LoadFloats(ResidualOf(OwnTile<kTiles, kAllSend>(i)));
    }
    threads_.Sync();
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      if (!HasOwnTile<kTiles, kAllSend>(i)) continue;
      const int tile = OwnTile<kTiles, kAllSend>(i);
      const float4 x = SumOfWarps<kWarps>(sums, Team::kPitch, tile, at_);
      SendResidual(tile, Sum(residual[i], Sum(x, bias[i])));
    }
  }

  // f(up(norm(H)))
  __device__ void Up() {
    constexpr StageSize kSize = S::kUp;
    constexpr int kTiles = kSize.pass_tiles();
    ForEachPass<kSize>([&](int pass) {
      const uint32_t sums = MultiplyNormed<kSize>(pass);
      TileConstants constants[kOwnTiles<kTiles, kAllSend>];
      ReadConstants<kSize, kAllSend>(constants);
      threads_.Sync();
      if (HasOwnTile<kTiles, kAllSend>(0)) {
        SendExpanded<kTiles>(sums, constants, rank_ * kSize.tiles + pass * kTiles);
      }
      if (IsLast<kSize>(pass)) Announce(Signal::kHidden, group_.HiddenBytes());
    });
    EndStage(Signal::kHidden);
  }
  // `first`: of the tiles, among all blocks'.
  template <int kTiles, int kOwn>
  __device__ __forceinline__ void SendExpanded(uint32_t sums,
                                               const TileConstants (&constants)[kOwn],
                                               int first) const {
    const Normaliser norm = NormOf(a_.norm_epsilon);
    float4 x[kOwn];
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const int tile = OwnTile<kTiles, kAllSend>(i);
      x[i] = norm.Apply(SumOfWarps<kWarps>(sums, Team::kPitch, tile, at_), constants[i].row_sums,
                        constants[i].bias);
    }
    ActivateAll(a_.activation, x);
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      if (!HasOwnTile<kTiles, kAllSend>(i)) continue;
      SendToAll(Memory::kExpanded, first + OwnTile<kTiles, kAllSend>(i), x[i], Signal::kExpanded);
    }
  }

  // logits = head(norm(H)), each sequence's to the block that draws for it.
  __device__ void Head() {
    constexpr StageSize kSize = S::kHead;
    static_assert(kSize.passes() == 1 && kSize.tiles == 1);
    ForEachPass<kSize>([&](int pass) {
      const uint32_t sums = MultiplyNormed<kSize>(pass);
      const TileConstants constants = TileConstants::Of<kSize.chunks>(ring_, 0, at_);
      threads_.Sync();
      Announce(Signal::kHidden, group_.HiddenBytes());
      Announce(Signal::kTokens, group_.TokenBytes());
      if (at_.warp == 0 && IsRow()) SendLogits(sums, constants);
    });
    EndStage(Signal::kHidden);
  }
  __device__ __forceinline__ void SendLogits(uint32_t sums, const TileConstants& constants) const {
    Normaliser norm;
    if (a_.final_norm) norm = NormOf(a_.final_epsilon);
    const float4 logits = norm.Apply(SumOfWarps<kWarps>(sums, Team::kPitch, 0, at_),
                                     constants.row_sums, constants.bias);
    const int block = DrawingBlock(at_.column, group_.index);
    const uint32_t place =
        group_.area + Memory::kLogits + (rank_ * kTile + at_.quad * 4) * sizeof(float);
    Send(AddressIn(place, block), logits, AddressIn(group_.Barrier(Signal::kLogits), block));
  }

  // Whether this block draws for a sequence of the group, and for which.
  __device__ __forceinline__ int Column() const { return DrawnColumn(rank_, group_.index); }
  __device__ __forceinline__ bool Draws() const { return Column() < group_.rows; }
  // Its row is kept in shared memory while it does.
  __device__ void FindDrawnRow() {
    if (!Draws()) return;
    if (threads_.Thread() == 0) DrawnRow() = a_.rows[group_.first_row + Column()];
    threads_.Sync();
  }
  __device__ void LeaveDrawnRow() {
    if (!Draws()) return;
    if (threads_.Thread() == 0) a_.rows[group_.first_row + Column()] = DrawnRow();
  }
  __device__ __forceinline__ DecodeRow& DrawnRow() const {
    static_assert(sizeof(DecodeRow) <= Memory::kDrawnRowBytes);
    return *static_cast<DecodeRow*>(__cvta_shared_to_generic(group_.area + Memory::kDrawnRow));
  }

  __device__ void Draw(int step) {
    if (Draws()) {
      WaitFor(Signal::kLogits);
      DrawToken(step);
      Announce(Signal::kLogits, Group<S>::kLogitBytes);
    }
    EndStage(Signal::kLogits);
  }
  __device__ __forceinline__ void DrawToken(int step) {
    using Scratch = DrawingScratch<Threads>;
    static_assert(sizeof(Scratch) <= kScratchBytes);
    auto& scratch =
        *static_cast<Scratch*>(__cvta_shared_to_generic(group_.area + Memory::kScratch));
    const auto* const logits =
        static_cast<const float*>(__cvta_shared_to_generic(group_.area + Memory::kLogits));
    const TokenPlace place = {group_.area + Memory::kTokens + Column() * 4,
                              group_.Barrier(Signal::kTokens), step + 1 < a_.steps};
    const DecodeRow row = DrawnRow();
    const int32_t token =
        DrawRow(a_, row, group_.first_row + Column(), logits, scratch, threads_, place);
    if (threads_.Thread() == 0) DrawnRow() = Next(row, token);
  }

  const StepArguments& a_;
  const Group<S> group_;
  const uint32_t sums_;
  const Threads threads_;
  const LaneOf at_;
  const int rank_;
  RingReader<Block::kSlots> ring_;
  BoundedWait wait_;
  const ToAll to_all_;
  uint32_t parities_ = 0;  // of the phase that is waited for next, bit by signal
  int turn_ = 0;           // which of the sums' two places
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_WARPS_CUH_
