// A block of heads: its cluster's part of attention, and of the MLP.
//
//   H -> moments | norm, q, k, v --to the cluster--> its chunks --to the cluster--> combined, out's
//   sums over the cluster's group --cells--> H' = H + O m --to the cluster--> moments | norm, f(up)
//   --to the cluster--> down's sums over the cluster's inputs --cells--> H = H' + down
//   --to the cluster-->
// A bar is a barrier. A cluster has all of the residual stream, a block an eighth of it; one warp
// finds the row's moments, every warp norms the group that it multiplies. Weights, keys and values
// are another warp's to fetch (heads_fetching.cuh).

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_BLOCK_CUH_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_BLOCK_CUH_

#include <cstdint>

#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/grid/cells.cuh"
#include "engine/cuda/grid/heads_attention.cuh"
#include "engine/cuda/grid/heads_combination.cuh"
#include "engine/cuda/grid/heads_product.cuh"
#include "engine/cuda/grid/heads_residual.cuh"
#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/embed.cuh"
#include "engine/cuda/kernels/history.cuh"

namespace strided::cuda::grid {

template <class S, class Memory>
class HeadsBlock {
 public:
  __device__ __forceinline__ HeadsBlock(const GridArguments& a, Memory& memory, const Wait& wait)
      : a_(a),
        memory_(memory),
        attention_(a, memory, threadIdx.x),
        thread_(threadIdx.x),
        team_(thread_),
        product_(a, memory, thread_),
        cluster_(static_cast<int>(blockIdx.x) / kClusterBlocks),
        rank_(static_cast<int>(blockIdx.x) % kClusterBlocks),
        wait_(wait),
        cluster_wait_(a.error, ErrorWordOf(static_cast<int>(blockIdx.x), team_.warp)),
        residual_(memory, rank_) {}

  // All layers; `tag`: that of the layer before the first.
  __device__ __forceinline__ void Run(uint32_t tag) {
    auto& row = memory_.exchange.row;
    row[thread_] = Embedded(a_);
    Prepare(0);
    if (thread_ == 0) ExpectExpanded();
    if (thread_ == kMomentsWarp * 32) ExpectRow();
    product_.Sync();
    if (residual_.Gathers()) residual_.Begin(memory_.plans[0].layer.out);
#pragma unroll 1
    for (int layer = 0; layer < a_.n_layer; ++layer) {
      ++tag;
      RunAttention(layer, tag);
      RunUp(layer);
      if (layer + 1 < a_.n_layer) Prepare(layer + 1);
      RunDown(layer, tag);
    }
    if (residual_.Gathers() && cluster_ == 0) residual_.Store(a_.hidden);
  }

 private:
  using H = HeadsSizes<S>;
  using Attention = HeadsAttention<S, Memory>;
  using Product = HeadsProduct<S, Memory>;
  using Residual = HeadsResidual<S, Memory>;
  using Traits = OperandTraits<Memory::kOperand>;
  // Warps that have a work of their own, besides what all do.
  static constexpr int kMomentsWarp = kWarps - 1;
  static constexpr int kCopiesWarp = kWarps - 2;
  static_assert(Residual::kLastWarp < kCopiesWarp);
  static_assert(S::kModelGroups == kClusterBlocks);  // a warp of a team sends to each block

  __device__ __forceinline__ int QkvTile() const { return H::QkvTileOf(team_.index, rank_); }
  __device__ __forceinline__ int UpTile() const { return H::UpTileOf(team_.index, rank_); }
  __device__ __forceinline__ bool HasQkv() const { return QkvTile() < H::kQkvTiles; }
  __device__ __forceinline__ bool HasOut() const { return team_.warp < H::kOutTiles; }
  __device__ __forceinline__ int OutTile() const { return rank_ * H::kOutTiles + team_.warp; }
  __device__ __forceinline__ bool HasDown() const {
    return team_.warp < H::kOutTiles * H::kDownParts;
  }
  // The phase of the layer, of what the block fetches for itself.
  static __device__ __forceinline__ void Await(const uint64_t& barrier, int layer) {
    WaitForPhase(SharedAddress(&barrier), layer % 2);
  }
  // The same of what the cluster's blocks send.
  __device__ __forceinline__ void AwaitCluster(const uint64_t& barrier, int phase) {
    cluster_wait_.For(SharedAddress(&barrier), phase % 2);
  }
  static __device__ __forceinline__ void Release(const uint64_t& barrier) {
    Arrive(SharedAddress(&barrier));
  }

  // The thread's element of the step's input. A function of its own: it has no registers to spare.
  static __device__ __noinline__ float Embedded(const GridArguments& a) {
    const DecodeRow row = a.row_states[0];
    if (row.slot < 0) return 0;
    const int thread = threadIdx.x;
    if (blockIdx.x == 0 && thread == 0) ObserveInput(row, a.sequences);
    return EmbeddedElement(a.tables, row.input, row.position, a.sequences[row.slot].start,
                           S::kModel, thread);
  }

  // -- Stages.

  __device__ __forceinline__ void RunAttention(int layer, uint32_t tag) {
    const LayerCells<S> cells(a_, layer);
    auto& barriers = memory_.barriers;
    if (layer > 0) AwaitRow(/*phase=*/1);
    if (team_.warp == kMomentsWarp) product_.FindMoments();
    AwaitCopies(layer, barriers.qkv_there);
    product_.Sync();
    if (thread_ == 0) Release(barriers.began);
    if (HasQkv()) {
      product_.NormAndMultiply(memory_.qkv_norm, memory_.qkv[team_.index]);
      SendQkv(layer);
    }
    const bool attends = attention_.Has(layer);
    if (attends) Await(barriers.keys_there, layer);  // all of the half, before they are released
    const typename Attention::Keys keys = attention_.FirstKeys();
    AwaitCluster(barriers.query_came, layer);
    if (thread_ == 0) Release(barriers.qkv_read);
    if (attends) attention_.Attend(layer, keys);
    if (thread_ % kHalfThreads == 0) Release(barriers.keys_read);
    if (HasOut()) {
      Await(barriers.out_there, layer);
      AwaitCluster(barriers.shares_came, layer);
      SendPartial(layer, cells, tag);
      if (team_.lane == 0) Release(barriers.out_read);
    }
    if (residual_.Gathers()) {
      // The sign that sums of all clusters will come soon.
      AwaitCluster(barriers.shares_came, layer);
      residual_.AddPartials(cells, tag, wait_);
      residual_.Send();
      residual_.AwaitsOf(memory_.plans[layer % 2].layer.down);
    }
  }

  __device__ __forceinline__ void RunUp(int layer) {
    AwaitRow(/*phase=*/0);
    if (team_.warp == kMomentsWarp) product_.FindMoments();
    AwaitCopies(layer, memory_.barriers.up_there, memory_.barriers.down_there);
    product_.Sync();
    product_.NormAndMultiply(memory_.up_norm, memory_.up[team_.index]);
    SendExpanded();
  }

  __device__ __forceinline__ void RunDown(int layer, uint32_t tag) {
    const LayerCells<S> cells(a_, layer);
    if (HasDown()) {
      MultiplyDown(layer, cells, tag);
      if (thread_ == 0) ExpectExpanded();
    }
    if (residual_.Gathers()) {
      AwaitCluster(memory_.barriers.expanded_came, layer);  // as above
      residual_.AddDown(cells, tag, wait_);
      if (layer + 1 < a_.n_layer) {
        residual_.Send();
        residual_.AwaitsOf(memory_.plans[(layer + 1) % 2].layer.out);
      }
    }
  }

  // Of the next phase: by a thread that has seen the last one end.
  __device__ __forceinline__ void ExpectExpanded() const {
    Expect(SharedAddress(&memory_.barriers.expanded_came),
           decltype(memory_.exchange)::kExpandedBytes);
  }
  __device__ __forceinline__ void ExpectRow() const {
    Expect(SharedAddress(&memory_.barriers.row_came), decltype(memory_.exchange)::kRowBytes);
  }

  // What the layer needs but for weights and keys, and what the cluster's blocks will send of it:
  // all warps have seen the phases of the layer before end, ahead of the barrier in RunUp.
  __device__ __forceinline__ void Prepare(int layer) {
    WaitForPhase(SharedAddress(&memory_.barriers.planned[layer % 2]), layer / 2 % 2);
    if (thread_ == 0) {
      Expect(SharedAddress(&memory_.barriers.query_came), decltype(memory_.exchange)::kQueryBytes);
      Expect(SharedAddress(&memory_.barriers.shares_came),
             attention_.Shares(layer) * (S::kValue + 2) * static_cast<int>(sizeof(float)));
    }
    const DeviceLayer& of = memory_.plans[layer % 2].layer;
    if (HasQkv()) {
      qkv_scale_.Fetch(of.qkv, (cluster_ * H::kQkvTiles + QkvTile()) * kTileOutputs + team_.within);
    }
    up_scale_.Fetch(of.up, H::UpTile(cluster_, UpTile()) * kTileOutputs + team_.within);
  }

  // By one warp, which finds the row's moments: there behind the next barrier, as the row is.
  __device__ __forceinline__ void AwaitRow(int phase) {
    if (team_.warp != kMomentsWarp) return;
    AwaitCluster(memory_.barriers.row_came, phase);
    if (team_.lane == 0) ExpectRow();
  }
  // By another one: what has been copied for the layer. A wait costs a warp some 100 cycles even
  // when it is over.
  template <typename... Barriers>
  __device__ __forceinline__ void AwaitCopies(int layer, const Barriers&... copied) const {
    if (team_.warp == kCopiesWarp) (Await(copied, layer), ...);
  }

  // Four bytes to the place `to` of a block of the cluster, for each warp of a team another; they
  // count on its `barrier`.
  __device__ __forceinline__ void SendToBlock(const void* to, uint32_t value,
                                              const uint64_t& barrier) const {
    const auto there = static_cast<uint32_t>(team_.member);
    cluster::Send(cluster::AddressIn(SharedAddress(to), there), value,
                  cluster::AddressIn(SharedAddress(&barrier), there));
  }
  // Two neighbouring outputs, in even lanes.
  static __device__ __forceinline__ uint32_t PairOf(float value) {
    return Traits::Pack(value, __shfl_down_sync(0xFFFFFFFFu, value, 1));
  }

  // The tile's outputs to all blocks of the cluster: an output a lane.
  __device__ __forceinline__ void SendQkv(int layer) {
    const float value = qkv_scale_.Of(product_.SumOfTeam());
    const int first = QkvTile() * kTileOutputs;
    const int head = first / S::kHead;
    const int within = first % S::kHead;  // all of a tile's are of one kind
    static_assert(S::kKey % kTileOutputs == 0 && S::kValue % kTileOutputs == 0);
    auto& exchange = memory_.exchange;
    if (within < S::kKey) {
      if (team_.lane < kTileOutputs) {
        SendToBlock(&exchange.query[head][within + team_.lane], __float_as_uint(value),
                    memory_.barriers.query_came);
      }
      return;
    }
    const bool is_key = within < 2 * S::kKey;
    const int at = within - (is_key ? 1 : 2) * S::kKey + team_.lane;
    const uint32_t pair = PairOf(value);
    if (team_.lane >= kTileOutputs || team_.lane % 2 != 0) return;
    SendToBlock(is_key ? &exchange.own_key[head][at] : &exchange.own_value[head][at], pair,
                memory_.barriers.query_came);
    if (team_.member != 0) return;
    const HeadPlan& plan = memory_.plans[layer % 2].heads[head];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      std::byte* const home = is_key ? plan.key_homes[i] : plan.value_homes[i];
      if (home != nullptr) *reinterpret_cast<uint32_t*>(home + at * 2) = pair;
    }
  }

  // Sums of out over the cluster's group of inputs: a tile of outputs for each warp.
  __device__ __forceinline__ void SendPartial(int layer, const LayerCells<S>& cells, uint32_t tag) {
    const uint32_t mixed = HeadsCombination<S, Memory>(memory_, team_.lane).Combine(layer);
    float sums[1][4] = {};
    product_.Multiply(product_.Read(memory_.out[team_.warp]), mixed, sums);
    if (team_.lane % 4 != 0) return;
    Cell* const to = cells.Partial(cluster_) + OutTile() * kTileOutputs + team_.lane / 4;
    Send(to, sums[0][0], tag);
    Send(to + 8, sums[0][2], tag);
  }

  // Up's tile to all blocks of the cluster, an output a lane.
  __device__ __forceinline__ void SendExpanded() const {
    const uint32_t pair = PairOf(Activate(a_.activation, up_scale_.Of(product_.SumOfTeam())));
    if (team_.lane >= kTileOutputs || team_.lane % 2 != 0) return;
    constexpr int kTiles = kGroup / kTileOutputs;  // of a group
    SendToBlock(&memory_.exchange
                     .expanded[UpTile() / kTiles][UpTile() % kTiles * kTileOutputs + team_.lane],
                pair, memory_.barriers.expanded_came);
  }

  // Sums of down over the cluster's inputs: a tile of one of its parts for each warp.
  __device__ __forceinline__ void MultiplyDown(int layer, const LayerCells<S>& cells,
                                               uint32_t tag) {
    const int tile = team_.warp / H::kDownParts;
    const int part = team_.warp % H::kDownParts;
    typename Product::Weights weights = product_.Read(memory_.down()[tile][0][part]);
    AwaitCluster(memory_.barriers.expanded_came, layer);
    float sums[1][4] = {};
#pragma unroll
    for (int round = 0; round < H::kRounds; ++round) {
      // Every column is the row.
      const product::GroupColumns<1> columns(
          memory_.exchange.expanded[round * H::kDownParts + part], 0, team_.lane);
      product::MultiplyGroup<Memory::kFormat, Memory::kOperand>(weights, columns, sums);
      if (round + 1 < H::kRounds) weights = product_.Read(memory_.down()[tile][round + 1][part]);
    }
    if (team_.lane == 0) Release(memory_.barriers.down_read);
    if (team_.lane % 4 != 0) return;
    const int output = (rank_ * H::kOutTiles + tile) * kTileOutputs + team_.lane / 4;
    Cell* const to = cells.DownPair(cluster_) + 2 * output + part;
    Send(to, sums[0][0], tag);
    Send(to + 2 * 8, sums[0][2], tag);
  }

  const GridArguments& a_;
  Memory& memory_;
  Attention attention_;
  const int thread_;
  const Team<S::kModelGroups> team_;
  const Product product_;
  const int cluster_;
  const int rank_;
  Wait wait_;
  cluster::BoundedWait cluster_wait_;
  Residual residual_;
  OutputScale qkv_scale_;
  OutputScale up_scale_;
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_BLOCK_CUH_
