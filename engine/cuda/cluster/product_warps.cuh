// A team of product warps: the network of section 5.2, layer by layer, all of it but attention, for
// its group.
//
// Block r owns elements 16 r T to 16 (r + 1) T - 1 of the residual stream, T tiles of it (1 for a
// width of 256), of every sequence of a group, in float32. What every block needs of them is sent
// to all, in bfloat16 (to_all_blocks.cuh).

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_WARPS_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_WARPS_CUH_

#include <cstdint>

#include "engine/cuda/cluster/attention_shares.cuh"
#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/cluster/drawn_row.cuh"
#include "engine/cuda/cluster/four_outputs.cuh"
#include "engine/cuda/cluster/group.cuh"
#include "engine/cuda/cluster/layer_weights.cuh"
#include "engine/cuda/cluster/own_outputs.cuh"
#include "engine/cuda/cluster/product.cuh"
#include "engine/cuda/cluster/query_key_value.cuh"
#include "engine/cuda/cluster/row_embedding.cuh"
#include "engine/cuda/cluster/to_all_blocks.cuh"
#include "engine/cuda/cluster/weight_ring.cuh"

namespace strided::cuda::cluster {

template <class S, int kGroups>
class ProductWarp {
 public:
  using Memory = GroupMemory<S>;
  using Block = BlockMemory<S, kGroups>;
  static constexpr int kWarps = Block::kTeamWarps;
  using Team = TeamMemory<S, kWarps>;
  using Threads = TeamThreads<kWarps>;

  // `shared`: address of the block's shared memory.
  __device__ ProductWarp(const StepArguments& a, uint32_t shared, Threads threads, BoundedWait wait)
      : a_(a),
        group_(a, shared + Block::kGroupAreas, threads.team),
        sums_(shared + Block::kTeams + threads.team * Team::kBytes),
        threads_(threads),
        at_(threads.Thread()),
        rank_(static_cast<int>(RankInCluster())),
        columns_log_(ColumnsLog(a.group_rows)),
        weights_(a, shared + Block::kRing, shared + Block::kFull, shared + Block::kEmpty,
                 GroupsPresent(a) * kWarps),
        wait_(wait) {}

  __device__ void Run() {
    Drawn().Find();
    if (threads_.team == 0 && threads_.Thread() == 0) weights_.Start();
    for (int step = 0; step < a_.steps; ++step) {
      Embed(step);
      for (int layer = 0; layer < a_.n_layer; ++layer) {
        weights_.Enter(step, layer);
        QueryKeyValue();
        if constexpr (S::kFreeAttention) Mix();
        Output();
        Up();
        Down();
      }
      Head();
      Draw(step);
    }
    Drawn().Leave();
  }

 private:
  using ToAll = ToAllBlocks<kGroups>;
  using Reader = std::conditional_t<Block::kOwnPlaces, LayerReader<S, !Block::kFetchingWarp>,
                                    RingReader<S, Block::kSlots>>;
  // What a lane finishes of outputs that go to one block each, or to all of them.
  template <int kTiles>
  using ForOne = TilesInTurn<kTiles, kWarps>;
  template <int kTiles>
  using ForAll = std::conditional_t<ToAll::kMulticast, TilesInTurn<kTiles, kWarps>,
                                    SharedTiles<kTiles, kWarps>>;
  using OfResidual = ForAll<S::kWidthTiles>;
  static_assert(OfResidual::kCount == 1, "a lane has four elements of the residual stream");
  // Whether there are registers for what is added to outputs, while the operand is waited for.
  static constexpr bool kConstantsAhead = Block::kHasManyRegisters;
  // Fragments of weights that a warp holds through a stage.
  static constexpr int kHeld = Block::kHasManyRegisters ? 12 : 4;
  template <StageSize kSize, bool kNormed>
  using ProductOf = Product<kSize, kNormed, kWarps, kHeld>;

  // A stage's passes, each once its weights are there. What of them is needed after the team's
  // barrier is read before: after the work their place is free.
  template <Stage kStage, typename Work>
  __device__ __forceinline__ void ForEachPass(Work&& work) {
#pragma unroll 1
    for (int pass = 0; pass < S::SizeOf(kStage).passes(); ++pass) {
      weights_.template Wait<kStage>(wait_);
      work(pass);
      weights_.template Advance<kStage>();
    }
  }
  template <StageSize kSize>
  static __device__ __forceinline__ bool IsLast(int pass) {
    return pass + 1 == kSize.passes();
  }

  template <class Own>
  __device__ __forceinline__ Own Of() const {
    return Own(at_, columns_log_);
  }
  template <class Own>
  __device__ __forceinline__ bool IsRow(const Own& own) const {
    return own.column < group_.rows;
  }
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
  __device__ __forceinline__ Normaliser NormOf(float epsilon, int column) const {
    return Normaliser::Of<S::kWidth>(Moments(), column, epsilon);
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

  // A step of an operand to all blocks, the lane's four elements of it.
  template <class Own>
  __device__ __forceinline__ void SendToAll(const Own& own, int operand, int step, float4 x,
                                            Signal signal) const {
    const int slice = operand + step * kOperandBytes;
    const int within = (own.column * 4 + own.quad) * 8;
    const uint32_t barrier = group_.Barrier(signal);
    if constexpr (ToAll::kMulticast) {
      ToAll::SendAtOnce(SliceRoom::Of<S>(a_, group_.area, group_.index), slice,
                        group_.rows * kColumnBytes, within, IsRow(own), PackFour(x), barrier);
    } else if (IsRow(own)) {
      SendInTurn(group_.area + slice + within, PackFour(x), barrier, own.block, own.stride);
    }
  }

  // The residual stream. Of a width below 256 the first blocks alone have elements.
  __device__ __forceinline__ bool HasResidual(const OfResidual& own) const {
    return own.Has(0) && (S::kWidth % (kBlocks * kTile) == 0 || rank_ < S::kWidth / kTile);
  }
  __device__ __forceinline__ void SendResidual(const OfResidual& own) const {
    SendToAll(own, Memory::kHidden, rank_ * S::kWidthTiles + own.Tile(0), residual_,
              Signal::kHidden);
  }

  // The inputs of the step: x(t-1) and its position.
  __device__ void Embed(int step) {
    const auto own = Of<OfResidual>();
    const DecodeRow& row = a_.rows[group_.first_row + (IsRow(own) ? own.column : 0)];
    const int first = (rank_ * S::kWidthTiles + own.Tile(0)) * kTile + own.quad * 4;
    const RowEmbedding<S> embedding(a_.tables, row.position + step, HasResidual(own) ? first : 0);
    const float* const start = a_.sequences[row.slot].start;
    int32_t input = row.input;
    if (step > 0) {
      WaitFor(Signal::kTokens);
      input = static_cast<int32_t>(Load4(group_.area + Memory::kTokens + own.column * 4));
      EndStage(Signal::kTokens);
    }
    if (!HasResidual(own)) return;
    residual_ = IsRow(own) ? embedding.With(input, start) : make_float4(0, 0, 0, 0);
    SendResidual(own);
  }

  // A pass's product of the residual stream, before the team's barrier; returns where the shares
  // are.
  template <Stage kStage, class Own>
  __device__ __forceinline__ uint32_t MultiplyNormed(int pass, const Own& own,
                                                     TileConstants (&constants)[Own::kCount]) {
    constexpr StageSize kSize = S::SizeOf(kStage);
    ProductOf<kSize, true> product;
    product.Fetch(weights_, at_);
    if constexpr (kConstantsAhead) ReadConstants<kSize>(own, constants);
    const uint32_t sums = NextSums();
    WaitFor(Signal::kHidden);
    product.Multiply(weights_, at_, {group_.area + Memory::kHidden}, sums, Team::kPitch, Moments(),
                     pass == 0);
    if constexpr (!kConstantsAhead) ReadConstants<kSize>(own, constants);
    return sums;
  }
  template <StageSize kSize, class Own>
  __device__ __forceinline__ void ReadConstants(const Own& own,
                                                TileConstants (&constants)[Own::kCount]) const {
#pragma unroll
    for (int i = 0; i < Own::kCount; ++i) {
      constants[i] = TileConstants::Of<kSize.pass_chunks()>(
          weights_, own.Tile(i) * kSize.pass_chunks(), own.quad);
    }
  }
  // The lane's outputs of it, after the barrier. All that is loaded is asked for first.
  template <class Own>
  __device__ __forceinline__ void Finish(const Own& own, uint32_t sums, float epsilon,
                                         const TileConstants (&constants)[Own::kCount],
                                         float4 (&x)[Own::kCount]) const {
    SharesOfFour<kWarps> shares[Own::kCount];
#pragma unroll
    for (int i = 0; i < Own::kCount; ++i) {
      shares[i] = SharesOfFour<kWarps>::Read(sums, Team::kPitch, own.Tile(i), own.column, own.quad);
    }
    const Normaliser norm = NormOf(epsilon, own.column);
#pragma unroll
    for (int i = 0; i < Own::kCount; ++i) {
      x[i] = norm.Apply(shares[i].Total(), constants[i].row_sums, constants[i].bias);
    }
  }

  // q, k, v = W norm(H), each to the block that attends for its sequence and head.
  __device__ void QueryKeyValue() {
    constexpr StageSize kSize = S::kQueryKeyValue;
    constexpr int kTiles = kSize.pass_tiles();
    using Own = ForOne<kTiles>;
    ForEachPass<Stage::kQueryKeyValue>([&](int pass) {
      const auto own = Of<Own>();
      TileConstants constants[Own::kCount];
      const uint32_t sums = MultiplyNormed<Stage::kQueryKeyValue>(pass, own, constants);
      threads_.Sync();
      if (IsLast<kSize>(pass)) Announce(Signal::kHidden, group_.HiddenBytes());
      if (!IsRow(own) || !own.Has(0)) return;
      float4 x[Own::kCount];
      Finish(own, sums, a_.norm_epsilon, constants, x);
#pragma unroll
      for (int i = 0; i < Own::kCount; ++i) {
        if (!own.Has(i)) continue;
        const int first = (rank_ * kSize.tiles + pass * kTiles + own.Tile(i)) * kTile;
        if (IsPadding<S>(first)) continue;
        SendToAttention(group_, own.column, first + own.quad * 4, x[i]);
      }
    });
    EndStage(Signal::kHidden);
  }

  // The block's pairs' outputs, from what free attention warps have left, to all blocks.
  __device__ void Mix() {
#pragma unroll 1
    for (int pair = 0; pair < S::kPairs; ++pair) {
      const bool is_own = !ToAll::kMulticast || pair % kWarps == at_.warp;
      if (!is_own || group_.ColumnOf(rank_, pair) >= group_.rows) continue;
      wait_.For(group_.SharesBarrier(pair), parities_ >> static_cast<int>(Signal::kPair) & 1);
      SendMixed(pair);
      // All attention warps have seen its query, and its next may come.
      if ((ToAll::kMulticast || at_.warp == kWarps - 1) && at_.lane == 0) {
        Expect(group_.Barrier(Signal::kPair, pair), Memory::kPairBytes);
      }
    }
    EndStage(Signal::kPair);
  }

  // Where values are short several lanes have the same elements, and fewer blocks each.
  __device__ __forceinline__ void SendMixed(int pair) const {
    constexpr int kLanes = S::kValue / 4;
    const int lane = at_.lane % kLanes;
    const AttentionShares<S> shares(group_.area + Memory::kShares, pair);
    const uint2 elements = shares.FourOutputs(lane * 4);
    const int slice = Memory::kMixed + group_.OutputOf(rank_, pair);
    const uint32_t barrier = group_.Barrier(Signal::kMixed);
    if constexpr (ToAll::kMulticast) {
      ToAll::SendAtOnce(SliceRoom::Of<S>(a_, group_.area, group_.index), slice, S::kValue * 2,
                        lane * 8, at_.lane < kLanes, elements, barrier);
    } else {
      constexpr int kSenders = 32 / kLanes;  // of a warp, that have the same
      SendInTurn(group_.area + slice + lane * 8, elements, barrier,
                 at_.warp * kSenders + at_.lane / kLanes, kWarps * kSenders);
    }
  }

  // H += O attend(q, K_S, V_S)
  __device__ void Output() {
    Accumulate<Stage::kOutput, Signal::kMixed>(
        {group_.area + Memory::kMixed, kColumnBytes, Memory::kMixedPitch});
  }
  // H += down(f(up(norm(H))))
  __device__ void Down() {
    Accumulate<Stage::kDown, Signal::kExpanded>({group_.area + Memory::kExpanded});
  }

  // The block's tiles of a product, added to the residual stream.
  template <Stage kStage, Signal kSignal>
  __device__ __forceinline__ void Accumulate(const OperandPlace& operand) {
    constexpr StageSize kSize = S::SizeOf(kStage);
    using Pass = ProductOf<kSize, false>;
    static_assert(kSize.tiles == kSize.pass_tiles(), "a pass has all tiles");
    static_assert(kSize.passes() == 1 || kWarps == kParts, "a share is of one part");
    const auto own = Of<OfResidual>();
    typename Pass::Share share;
    float4 bias;
    ForEachPass<kStage>([&](int pass) {
      Pass product;
      product.Fetch(weights_, at_);
      if (IsLast<kSize>(pass)) {  // of a tile, from the first of its chunks
        bias =
            LoadFloats(weights_.Chunk(own.Tile(0) * kSize.pass_chunks()) + kBiasAt + own.quad * 16);
      }
      WaitFor(kSignal);
      product.Add(weights_, at_, operand.From(pass * kSize.pass_chunks() * kChunkSteps), share, 0,
                  false);
      if (!IsLast<kSize>(pass)) return;
      const uint32_t sums = NextSums();
      share.Write(sums, Team::kPitch, at_);
      threads_.Sync();
      if (HasResidual(own)) AddToResidual(own, sums, bias);
      Announce(kSignal, group_.InputBytes(kSignal));
    });
    EndStage(kSignal);
  }
  __device__ __forceinline__ void AddToResidual(const OfResidual& own, uint32_t sums, float4 bias) {
    const float4 x =
        SharesOfFour<kWarps>::Read(sums, Team::kPitch, own.Tile(0), own.column, own.quad).Total();
    residual_ = Sum(residual_, Sum(x, bias));
    SendResidual(own);
  }

  // f(up(norm(H)))
  __device__ void Up() {
    constexpr StageSize kSize = S::kUp;
    constexpr int kTiles = kSize.pass_tiles();
    using Own = ForAll<kTiles>;
    ForEachPass<Stage::kUp>([&](int pass) {
      const auto own = Of<Own>();
      TileConstants constants[Own::kCount];
      const uint32_t sums = MultiplyNormed<Stage::kUp>(pass, own, constants);
      threads_.Sync();
      if (own.Has(0)) SendExpanded(own, sums, constants, rank_ * kSize.tiles + pass * kTiles);
      if (IsLast<kSize>(pass)) Announce(Signal::kHidden, group_.HiddenBytes());
    });
    EndStage(Signal::kHidden);
  }
  // `first`: of the pass's tiles, among all blocks'.
  template <class Own>
  __device__ __forceinline__ void SendExpanded(const Own& own, uint32_t sums,
                                               const TileConstants (&constants)[Own::kCount],
                                               int first) const {
    float4 x[Own::kCount];
    Finish(own, sums, a_.norm_epsilon, constants, x);
    ActivateAll(a_.activation, x);
#pragma unroll
    for (int i = 0; i < Own::kCount; ++i) {
      if (!own.Has(i)) continue;
      SendToAll(own, Memory::kExpanded, first + own.Tile(i), x[i], Signal::kExpanded);
    }
  }

  // logits = head(norm(H)), each sequence's to the block that draws for it.
  __device__ void Head() {
    static_assert(S::kHead.passes() == 1 && S::kHead.tiles == 1);
    using Own = ForOne<1>;
    ForEachPass<Stage::kHead>([&](int pass) {
      const auto own = Of<Own>();
      TileConstants constants[1];
      const uint32_t sums = MultiplyNormed<Stage::kHead>(pass, own, constants);
      threads_.Sync();
      Announce(Signal::kHidden, group_.HiddenBytes());
      Announce(Signal::kTokens, group_.TokenBytes());
      if (own.Has(0) && IsRow(own)) SendLogits(own, sums, constants);
    });
    EndStage(Signal::kHidden);
  }
  __device__ __forceinline__ void SendLogits(const ForOne<1>& own, uint32_t sums,
                                             const TileConstants (&constants)[1]) const {
    float4 logits[1];
    if (a_.final_norm) {
      Finish(own, sums, a_.final_epsilon, constants, logits);
    } else {
      logits[0] = Normaliser().Apply(
          SharesOfFour<kWarps>::Read(sums, Team::kPitch, 0, own.column, own.quad).Total(),
          constants[0].row_sums, constants[0].bias);
    }
    const int block = DrawingBlock(own.column, group_.index);
    const uint32_t place =
        group_.area + Memory::kLogits + (rank_ * kTile + own.quad * 4) * sizeof(float);
    Send(AddressIn(place, block), logits[0], AddressIn(group_.Barrier(Signal::kLogits), block));
  }

  __device__ __forceinline__ DrawnRow<S, Threads> Drawn() const {
    return DrawnRow<S, Threads>(a_, group_, rank_, threads_);
  }
  __device__ void Draw(int step) {
    const auto drawn = Drawn();
    if (drawn.Exists()) {
      WaitFor(Signal::kLogits);
      drawn.Draw(step);
      Announce(Signal::kLogits, Group<S>::kLogitBytes);
    }
    EndStage(Signal::kLogits);
  }

  const StepArguments& a_;
  const Group<S> group_;
  const uint32_t sums_;
  const Threads threads_;
  const LaneOf at_;
  const int rank_;
  const int columns_log_;  // of the columns that are used
  Reader weights_;
  BoundedWait wait_;
  float4 residual_;        // the lane's own elements of the residual stream
  uint32_t parities_ = 0;  // of the phase that is waited for next, bit by signal
  int turn_ = 0;           // which of the sums' two places
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_PRODUCT_WARPS_CUH_
