// A team of product warps: the network of section 5.2, layer by layer, all of it but attention, for
// its groups, one after the other in every stage.
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
  using Memory = GroupMemory<S>;
  using Team = TeamMemory<S>;
  using Block = BlockMemory<S, kGroups>;

  // `shared`: address of the block's shared memory.
  __device__ ProductWarp(const StepArguments& a, uint32_t shared, const GroupRange& groups,
                         GroupThreads threads, BoundedWait wait)
      : a_(a),
        areas_(shared + Block::kGroupAreas),
        sums_(shared + Block::kTeams + (threads.barrier - 1) * Team::kBytes),
        groups_(groups),
        threads_(threads),
        at_(threads.Thread()),
        rank_(static_cast<int>(RankInCluster())),
        ring_{shared + Block::kRing, shared + Block::kFull, shared + Block::kEmpty},
        wait_(wait),
        to_all_(shared, at_.warp) {}

  __device__ void Run() {
    FindDrawnRows();
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
    LeaveDrawnRows();
  }

 private:
  using ToAll = ToAllBlocks<kGroups>;
  static_assert(ToAll::kSendingWarps == kProductWarps);
  // Fragments of weights that a warp holds through a stage: with two teams registers are few.
  static constexpr int kHeld = TeamsOf(kGroups) == 1 ? 8 : 4;

  template <typename Work>
  __device__ __forceinline__ void ForEachGroup(Work&& work) {
    if constexpr (kGroups <= 2) {
      work(Group<S>(a_, areas_, groups_.first));
    } else {
#pragma unroll 1
      for (int index = groups_.first; index < groups_.end; ++index) {
        work(Group<S>(a_, areas_, index));
      }
    }
  }

  // A stage's passes, each once its weights are there. What of them a unit needs after its barrier
  // it reads before: after the work their place is free.
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

  __device__ __forceinline__ bool IsRow(const Group<S>& group) const {
    return at_.column < group.rows;
  }
  // Where the shares of a unit of work, a group in a pass, are put together.
  __device__ __forceinline__ uint32_t NextSums() {
    const uint32_t sums = sums_ + turn_ * Team::kTurnBytes;
    turn_ ^= 1;
    return sums;
  }
  // The residual stream's moments, which a stage's first pass writes.
  __device__ __forceinline__ uint32_t MomentsOf(const Group<S>& group) const {
    const uint32_t turn = parities_ >> static_cast<int>(Signal::kHidden) & 1;
    return group.area + Memory::kMoments + turn * Memory::kMomentBytes;
  }
  __device__ __forceinline__ Normaliser NormOf(const Group<S>& group, float epsilon) const {
    return Normaliser::Of<S::kWidth>(MomentsOf(group), at_.column, epsilon);
  }
  __device__ __forceinline__ void WaitFor(const Group<S>& group, Signal signal) {
    wait_.For(group.Barrier(signal), parities_ >> static_cast<int>(signal) & 1);
  }

  __device__ __forceinline__ bool KeepsBooks() const {
    return at_.warp == kProductWarps - 1 && at_.lane == 0;
  }
  // Ends a unit, once the team has passed a barrier after reading: what `signal` told may come
  // again. Nobody waits for this: what has been sent goes first.
  __device__ __forceinline__ void EndUnit(const Group<S>& group, Signal signal, int bytes) const {
    if (KeepsBooks()) Expect(group.Barrier(signal), bytes);
  }
  // Ends a stage of all groups.
  __device__ __forceinline__ void EndStage(Signal signal) {
    parities_ ^= 1U << static_cast<int>(signal);
  }

  // Tiles that are sent to all blocks are finished by every warp, or by one each: `kOwnTiles` of
  // `kTiles`.
  template <int kTiles>
  static constexpr int kOwnTiles = ToAll::kMulticast ? 1 : kTiles;
  template <int kTiles>
  __device__ __forceinline__ int OwnTile(int i) const {
    static_assert(kTiles <= kProductWarps || !ToAll::kMulticast, "a warp finishes a tile");
    return ToAll::kMulticast ? min(at_.warp, kTiles - 1) : i;
  }
  template <int kTiles>
  __device__ __forceinline__ bool HasOwnTile() const {
    return !ToAll::kMulticast || at_.warp < kTiles;
  }

  // A step of an operand to all blocks, four elements of the lane's column.
  __device__ __forceinline__ void SendToAll(const Group<S>& group, int operand, int step, float4 x,
                                            Signal signal) const {
    to_all_.Send(SliceRoom::Of<S>(a_, group.area, group.index), operand + step * kOperandBytes,
                 group.rows * kColumnBytes, at_.lane * 8, IsRow(group), PackFour(x),
                 group.Barrier(signal));
  }

  // The residual stream: four elements of the lane's column in each of the block's tiles.
  __device__ __forceinline__ uint32_t ResidualOf(const Group<S>& group, int tile) const {
    return group.area + Memory::kResidual + tile * (kColumns * kTile * 4) + at_.lane * 16;
  }
  __device__ __forceinline__ void SendResidual(const Group<S>& group, int tile,
                                               float4 residual) const {
    SendToAll(group, Memory::kHidden, rank_ * S::kWidthTiles + tile, residual, Signal::kHidden);
    if (ToAll::kMulticast || at_.warp == 0) Store(ResidualOf(group, tile), residual);
  }

  // The inputs of the step: x(t-1) and its position.
  __device__ void Embed(int step) {
    ForEachGroup([&](const Group<S>& group) {
      const DecodeRow& row = a_.rows[group.first_row + (IsRow(group) ? at_.column : 0)];
      const RowEmbedding<S> embedding(a_.tables, row.position + step,
                                      rank_ * S::kWidthTiles * kTile + at_.quad * 4);
      const float* const start = a_.sequences[row.slot].start;
      int32_t input = row.input;
      if (step > 0) {
        WaitFor(group, Signal::kTokens);
        input = static_cast<int32_t>(Load4(group.area + Memory::kTokens + at_.column * 4));
      }
#pragma unroll
      for (int tile = 0; tile < S::kWidthTiles; ++tile) {
        if (ToAll::kMulticast && at_.warp != tile) continue;
        float4 residual = make_float4(0, 0, 0, 0);
        if (IsRow(group)) residual = embedding.With(input, start, tile);
        SendResidual(group, tile, residual);
      }
    });
    if (step > 0) parities_ ^= 1U << static_cast<int>(Signal::kTokens);
  }

  // q, k, v = W norm(H), each to the block that attends for its sequence and head.
  __device__ void QueryKeyValue() {
    constexpr StageSize kSize = S::kQueryKeyValue;
    constexpr int kTiles = kSize.pass_tiles();
    static_assert(kTiles <= kProductWarps, "a warp finishes a tile");
    const int tile = min(at_.warp, kTiles - 1);  // the warp's own
    ForEachPass<kSize>([&](int pass) {
      Product<kTiles, kSize.pass_chunks(), true, kHeld> product;
      product.Fetch(ring_, at_);
      ForEachGroup([&](const Group<S>& group) {
        const uint32_t sums = NextSums();
        WaitFor(group, Signal::kHidden);
        product.Multiply(ring_, at_, {group.area + Memory::kHidden}, sums, Team::kPitch,
                         MomentsOf(group), pass == 0);
        const TileConstants constants =
            TileConstants::Of<kSize.pass_chunks()>(ring_, tile * kSize.pass_chunks(), at_);
        threads_.Sync();
        if (at_.warp < kTiles && IsRow(group)) {
          const Normaliser norm = NormOf(group, a_.norm_epsilon);
          const float4 x = SumOfWarps(sums, Team::kPitch, tile, at_);
          const int of_block = pass * kTiles + tile;
          SendToAttention(group, (rank_ * kSize.tiles + of_block) * kTile + at_.quad * 4,
                          norm.Apply(x, constants.row_sums, constants.bias));
        }
        if (IsLast<kSize>(pass)) EndUnit(group, Signal::kHidden, group.HiddenBytes());
      });
    });
    EndStage(Signal::kHidden);
  }

  // Outputs `first` to `first` + 3 of [head][query | key | value].
  __device__ __forceinline__ void SendToAttention(const Group<S>& group, int first,
                                                  float4 x) const {
    const int head = first / S::kHeadOutputs;
    const int within = first % S::kHeadOutputs;
    const int pair = at_.column * S::kHeads + head;
    const int index = pair / kBlocks;  // of the block's pairs
    const uint32_t vectors = group.area + Memory::kQueries + index * Memory::kPairBytes;
    const uint32_t local = group.area;
    const uint32_t there = AddressIn(local, group.BlockOf(pair)) - local;
    const uint32_t barrier = group.Barrier(Signal::kPair, index) + there;
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
    Accumulate<S::kOutput, Signal::kMixed>({Memory::kMixed, kColumnBytes, Memory::kMixedPitch});
  }
  // H += down(f(up(norm(H))))
  __device__ void Down() { Accumulate<S::kDown, Signal::kExpanded>({Memory::kExpanded}); }

  // The block's tiles of a product, added to the residual stream. `operand`: from the group's area
  // on.
  template <StageSize kSize, Signal kSignal>
  __device__ __forceinline__ void Accumulate(OperandPlace operand) {
    using Pass = Product<kSize.pass_tiles(), kSize.pass_chunks(), false, kHeld>;
    constexpr int kPassSteps = kSize.pass_chunks() * kChunkSteps;
    static_assert(kSize.tiles == kSize.pass_tiles(), "a pass has all tiles");
    static_assert(kSize.passes() == 1 || kGroups <= 2, "a share is of one group");
    typename Pass::Share share;
    float4 bias[kOwnTiles<kSize.tiles>];
    ForEachPass<kSize>([&](int pass) {
      Pass product;
      product.Fetch(ring_, at_);
      if (IsLast<kSize>(pass)) ReadBias<kSize>(bias);
      ForEachGroup([&](const Group<S>& group) {
        if (pass == 0) share = {};
        WaitFor(group, kSignal);
        OperandPlace inputs = operand.From(pass * kPassSteps);
        inputs.first += group.area;
        product.Add(ring_, at_, inputs, share, 0, false);
        if (!IsLast<kSize>(pass)) return;
        const uint32_t sums = NextSums();
        share.Write(sums, Team::kPitch, at_);
        AddToResidual<kSize.tiles>(group, sums, bias);
        EndUnit(group, kSignal, group.InputBytes(kSignal));
      });
    });
    EndStage(kSignal);
  }
  // Of each tile, from the first of its chunks.
  template <StageSize kSize, int kOwn>
  __device__ __forceinline__ void ReadBias(float4 (&bias)[kOwn]) const {
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const int first = OwnTile<kSize.tiles>(i) * kSize.pass_chunks();
      bias[i] = LoadFloats(ring_.Chunk(first) + kBiasAt + at_.quad * 16);
    }
  }
  template <int kTiles, int kOwn>
  __device__ __forceinline__ void AddToResidual(const Group<S>& group, uint32_t sums,
                                                const float4 (&bias)[kOwn]) const {
    float4 residual[kOwn];
#pragma unroll
    for (int i = 0; i < kOwn; ++i) residual[i] = LoadFloats(ResidualOf(group, OwnTile<kTiles>(i)));
    threads_.Sync();
    if (!HasOwnTile<kTiles>()) return;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const int tile = OwnTile<kTiles>(i);
      const float4 x = SumOfWarps(sums, Team::kPitch, tile, at_);
      SendResidual(group, tile, Sum(residual[i], Sum(x, bias[i])));
    }
  }

  // f(up(norm(H)))
  __device__ void Up() {
    constexpr StageSize kSize = S::kUp;
    constexpr int kTiles = kSize.pass_tiles();
    ForEachPass<kSize>([&](int pass) {
      Product<kTiles, kSize.pass_chunks(), true, kHeld> product;
      product.Fetch(ring_, at_);
      ForEachGroup([&](const Group<S>& group) {
        const uint32_t sums = NextSums();
        WaitFor(group, Signal::kHidden);
        product.Multiply(ring_, at_, {group.area + Memory::kHidden}, sums, Team::kPitch,
                         MomentsOf(group), pass == 0);
        TileConstants constants[kOwnTiles<kTiles>];
#pragma unroll
        for (int i = 0; i < kOwnTiles<kTiles>; ++i) {
          constants[i] = TileConstants::Of<kSize.pass_chunks()>(
              ring_, OwnTile<kTiles>(i) * kSize.pass_chunks(), at_);
        }
        threads_.Sync();
        if (HasOwnTile<kTiles>()) {
          SendExpanded<kTiles>(group, sums, constants, rank_ * kSize.tiles + pass * kTiles);
        }
        if (IsLast<kSize>(pass)) EndUnit(group, Signal::kHidden, group.HiddenBytes());
      });
    });
    EndStage(Signal::kHidden);
  }
  // `first`: of the tiles, among all blocks'.
  template <int kTiles, int kOwn>
  __device__ __forceinline__ void SendExpanded(const Group<S>& group, uint32_t sums,
                                               const TileConstants (&constants)[kOwn],
                                               int first) const {
    const Normaliser norm = NormOf(group, a_.norm_epsilon);
    float4 x[kOwn];
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const float4 sum = SumOfWarps(sums, Team::kPitch, OwnTile<kTiles>(i), at_);
      x[i] = norm.Apply(sum, constants[i].row_sums, constants[i].bias);
    }
    ActivateAll(a_.activation, x);
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      SendToAll(group, Memory::kExpanded, first + OwnTile<kTiles>(i), x[i], Signal::kExpanded);
    }
  }

  // logits = head(norm(H)), each sequence's to the block that draws for it.
  __device__ void Head() {
    constexpr StageSize kSize = S::kHead;
    static_assert(kSize.passes() == 1 && kSize.tiles == 1);
    ForEachPass<kSize>([&](int pass) {
      Product<1, kSize.chunks, true, kHeld> product;
      product.Fetch(ring_, at_);
      ForEachGroup([&](const Group<S>& group) {
        const uint32_t sums = NextSums();
        WaitFor(group, Signal::kHidden);
        product.Multiply(ring_, at_, {group.area + Memory::kHidden}, sums, Team::kPitch,
                         MomentsOf(group), pass == 0);
        const TileConstants constants = TileConstants::Of<kSize.chunks>(ring_, 0, at_);
        threads_.Sync();
        EndUnit(group, Signal::kHidden, group.HiddenBytes());
        EndUnit(group, Signal::kTokens, group.TokenBytes());
        if (at_.warp == 0 && IsRow(group)) SendLogits(group, sums, constants);
      });
    });
    EndStage(Signal::kHidden);
  }
  __device__ __forceinline__ void SendLogits(const Group<S>& group, uint32_t sums,
                                             const TileConstants& constants) const {
    Normaliser norm;
    if (a_.final_norm) norm = NormOf(group, a_.final_epsilon);
    const float4 logits =
        norm.Apply(SumOfWarps(sums, Team::kPitch, 0, at_), constants.row_sums, constants.bias);
    const int block = DrawingBlock(at_.column, group.index);
    const uint32_t place =
        group.area + Memory::kLogits + (rank_ * kTile + at_.quad * 4) * sizeof(float);
    Send(AddressIn(place, block), logits, AddressIn(group.Barrier(Signal::kLogits), block));
  }

  // The rows that this block draws for are kept in shared memory while it does.
  __device__ void FindDrawnRows() {
    ForEachGroup([&](const Group<S>& group) {
      const int column = DrawnColumn(rank_, group.index);
      if (column >= group.rows) return;
      if (threads_.Thread() == 0) DrawnRowOf(group) = a_.rows[group.first_row + column];
    });
    threads_.Sync();
  }
  __device__ void LeaveDrawnRows() {
    ForEachGroup([&](const Group<S>& group) {
      const int column = DrawnColumn(rank_, group.index);
      if (column >= group.rows) return;
      if (threads_.Thread() == 0) a_.rows[group.first_row + column] = DrawnRowOf(group);
    });
  }
  static __device__ __forceinline__ DecodeRow& DrawnRowOf(const Group<S>& group) {
    static_assert(sizeof(DecodeRow) <= Memory::kDrawnRowBytes);
    return *static_cast<DecodeRow*>(__cvta_shared_to_generic(group.area + Memory::kDrawnRow));
  }

  __device__ void Draw(int step) {
    ForEachGroup([&](const Group<S>& group) {
      const int column = DrawnColumn(rank_, group.index);
      if (column >= group.rows) return;
      WaitFor(group, Signal::kLogits);
      static_assert(sizeof(DrawingScratch) <= kScratchBytes);
      auto& scratch =
          *static_cast<DrawingScratch*>(__cvta_shared_to_generic(group.area + Memory::kScratch));
      const auto* const logits =
          static_cast<const float*>(__cvta_shared_to_generic(group.area + Memory::kLogits));
      const TokenPlace place = {group.area + Memory::kTokens + column * 4,
                                group.Barrier(Signal::kTokens), step + 1 < a_.steps};
      const DecodeRow row = DrawnRowOf(group);
      const int32_t token =
          DrawRow(a_, row, group.first_row + column, logits, scratch, threads_, place);
      if (threads_.Thread() == 0) DrawnRowOf(group) = Next(row, token);
      EndUnit(group, Signal::kLogits, Group<S>::kLogitBytes);
    });
    parities_ ^= 1U << static_cast<int>(Signal::kLogits);
  }

  const StepArguments& a_;
  const uint32_t areas_;  // of the groups
  const uint32_t sums_;   // of the team
  const GroupRange groups_;
  const GroupThreads threads_;
  const LaneOf at_;
  const int rank_;
  RingReader<Block::kSlots> ring_;
  BoundedWait wait_;
  const ToAll to_all_;
  // Of the phase that is waited for next, bit by signal: the team's groups go through stages
  // together.
  uint32_t parities_ = 0;
  int turn_ = 0;  // which of the sums' two places
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_WARPS_CUH_
