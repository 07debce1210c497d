// A block of heads for several rows: its cluster's part of attention, and of the MLP.
//
//   H -> normed | q, k, v --to the cluster--> its chunks --to the cluster--> out's sums over the
//   cluster's group --cells--> H' = H + O m --to the cluster--> normed | f(up) --to the cluster-->
//   down's sums over the cluster's inputs --cells--> H = H' + down --to the cluster-->
// As heads_block.cuh, whose rows are columns of the products here.

#ifndef STRIDED_ENGINE_CUDA_GRID_ROWS_BLOCK_CUH_
#define STRIDED_ENGINE_CUDA_GRID_ROWS_BLOCK_CUH_

#include <cstdint>

#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/grid/rows_attention.cuh"
#include "engine/cuda/grid/rows_cells.cuh"
#include "engine/cuda/grid/rows_product.cuh"
#include "engine/cuda/grid/rows_residual.cuh"
#include "engine/cuda/kernels/activation.cuh"
#include "engine/cuda/kernels/embed.cuh"
#include "engine/cuda/kernels/history.cuh"

namespace strided::cuda::grid {

template <class S, class Memory>
class RowsBlock {
 public:
  __device__ __forceinline__ RowsBlock(const GridArguments& a, Memory& memory)
      : a_(a),
        memory_(memory),
        thread_(threadIdx.x),
        team_(thread_),
        cluster_(static_cast<int>(blockIdx.x) / kClusterBlocks),
        rank_(static_cast<int>(blockIdx.x) % kClusterBlocks),
        wait_(a.error, ErrorWordOf(static_cast<int>(blockIdx.x), team_.warp)),
        cluster_wait_(a.error, ErrorWordOf(static_cast<int>(blockIdx.x), team_.warp)),
        residual_(memory) {}

  // All layers; `tag`: of all layers so far.
  __device__ __forceinline__ void Run(uint32_t tag) {
#pragma unroll 1
    for (int row = 0; row < kRows; ++row) memory_.exchange.row[row][thread_] = Embedded(a_, row);
    Prepare(0);
    if (thread_ == 0) {
      Expect(SharedAddress(&memory_.barriers.expanded_came), Exchange::kExpandedBytes);
      ExpectRows();
    }
    TheProduct().Sync();
    if (residual_.Gathers()) {
      residual_.Begin();
      scales_ = residual_.ScalesOf(memory_.plans[0].layer.out);
    }
    TheProduct().Sync();
#pragma unroll 1
    for (int layer = 0; layer < a_.n_layer; ++layer) {
      ForgetPlaces();
      RunAttention(layer, tag + static_cast<uint32_t>(layer));
      ForgetPlaces();
      RunUp(layer);
      if (layer + 1 < a_.n_layer) Prepare(layer + 1);
      ForgetPlaces();
      RunDown(layer, tag + static_cast<uint32_t>(layer));
    }
    if (residual_.Gathers() && cluster_ == 0) residual_.Store(a_.hidden, a_.rows);
  }

 private:
  static constexpr int kRows = Memory::kRows;
  using H = HeadsSizes<S>;
  using Exchange = decltype(Memory::exchange);
  using Attention = RowsAttention<S, Memory>;
  using Product = RowsProduct<S, Memory>;
  using Residual = RowsResidual<S, Memory>;
  using Cells = RowCells<S, kRows>;
  using Traits = OperandTraits<Memory::kOperand>;
  static_assert(S::kModelGroups == kClusterBlocks);
  static_assert(H::kOutTiles <= H::kOutTiles * H::kDownParts);  // who has out has down, too

  __device__ __forceinline__ int QkvTile() const { return H::QkvTileOf(team_.index, rank_); }
  __device__ __forceinline__ int UpTile() const { return H::UpTileOf(team_.index, rank_); }
  __device__ __forceinline__ bool HasQkv() const { return QkvTile() < H::kQkvTiles; }
  __device__ __forceinline__ bool HasOut() const { return team_.warp < H::kOutTiles; }
  __device__ __forceinline__ int OutTile() const { return rank_ * H::kOutTiles + team_.warp; }
  __device__ __forceinline__ bool HasDown() const {
    return team_.warp < H::kOutTiles * H::kDownParts;
  }
  __device__ __forceinline__ int DownTile() const {
    return rank_ * H::kOutTiles + team_.warp / H::kDownParts;
  }
  __device__ __forceinline__ int DownWarp() const {  // of those whose sums are added
    return cluster_ * H::kDownParts + team_.warp % H::kDownParts;
  }
  // Of the rows, one is normed by each of the first warps.
  __device__ __forceinline__ bool Norms() const { return team_.warp < kRows; }
  // Whether the lane has sums of rows.
  __device__ __forceinline__ bool HasSums() const { return team_.lane % 4 < Cells::kPairs; }
  __device__ __forceinline__ int PlaceOf(int tile) const {
    return Cells::At(tile, team_.lane / 4, team_.lane % 4);
  }

  static __device__ __forceinline__ void Await(const uint64_t& barrier, int layer) {
    WaitForPhase(SharedAddress(&barrier), layer % 2);
  }
  __device__ __forceinline__ void AwaitCluster(const uint64_t& barrier, int phase) {
    cluster_wait_.For(SharedAddress(&barrier), phase % 2);
  }
  static __device__ __forceinline__ void Release(const uint64_t& barrier) {
    Arrive(SharedAddress(&barrier));
  }

  // The thread's element of a row of the step's input.
  static __device__ __noinline__ float Embedded(const GridArguments& a, int row) {
    if (row >= a.rows) return 0;
    const DecodeRow state = a.row_states[row];
    if (state.slot < 0) return 0;
    const int thread = threadIdx.x;
    if (blockIdx.x == 0 && thread == 0) ObserveInput(state, a.sequences);
    return EmbeddedElement(a.tables, state.input, state.position, a.sequences[state.slot].start,
                           S::kModel, thread);
  }

  // Has what follows from the thread's place computed anew in each stage (Forget).
  __device__ __forceinline__ void ForgetPlaces() {
    Forget(thread_);
    team_ = Team<S::kModelGroups>(thread_);
  }
  __device__ __forceinline__ Product TheProduct() const { return Product(a_, memory_, thread_); }

  // -- Stages.

  __device__ __forceinline__ void RunAttention(int layer, uint32_t tag) {
    const Cells cells(a_, tag);
    auto& barriers = memory_.barriers;
    if (Norms()) {
      Await(barriers.qkv_there, layer);
      const auto norm = TheProduct().VectorsOf(memory_.qkv_norm);
      if (layer > 0) AwaitCluster(barriers.row_came, /*phase=*/1);
      TheProduct().Norm(team_.warp, norm);
    }
    TheProduct().Sync();
    if (thread_ == 0) {
      if (layer > 0) ExpectRows();
      Release(barriers.began);
    }
    if (HasQkv()) {
      TheProduct().MultiplyRows(memory_.qkv[team_.index]);
      SendQkv(layer);
    }
    ForgetPlaces();
    Attention attention(a_, memory_, thread_, layer, turn_);
    const typename Attention::Keys keys = attention.FirstKeys();
    AwaitCluster(barriers.query_came, layer);
    if (thread_ == 0) Release(barriers.qkv_read);
    attention.Attend(keys);
    attention.Combine(cluster_wait_);
    ForgetPlaces();
    if (HasOut()) {
      Await(barriers.out_there, layer);
      AwaitCluster(barriers.mixed_came, layer);
      MultiplyOut(cells);
      if (team_.lane == 0) Release(barriers.out_read);
    }
    if (residual_.Gathers()) {
      // The sign that sums of all clusters will come soon.
      AwaitCluster(barriers.mixed_came, layer);
      residual_.AddOut(cells, scales_, wait_);
      residual_.Send();
      scales_ = residual_.ScalesOf(memory_.plans[layer % 2].layer.down);
    }
  }

  __device__ __forceinline__ void RunUp(int layer) {
    auto& barriers = memory_.barriers;
    if (Norms()) {
      Await(barriers.up_there, layer);
      const auto norm = TheProduct().VectorsOf(memory_.up_norm);
      AwaitCluster(barriers.row_came, /*phase=*/0);
      TheProduct().Norm(team_.warp, norm);
    }
    TheProduct().Sync();
    if (thread_ == 0) ExpectRows();
    TheProduct().MultiplyRows(memory_.up[team_.index]);
    SendExpanded();
  }

  __device__ __forceinline__ void RunDown(int layer, uint32_t tag) {
    const Cells cells(a_, tag);
    if (HasDown()) {
      MultiplyDown(layer, cells);
      if (thread_ == 0) {
        Expect(SharedAddress(&memory_.barriers.expanded_came), Exchange::kExpandedBytes);
      }
    }
    if (residual_.Gathers()) {
      AwaitCluster(memory_.barriers.expanded_came, layer);  // as above
      residual_.AddDown(cells, scales_, wait_);
      if (layer + 1 < a_.n_layer) {
        residual_.Send();
        scales_ = residual_.ScalesOf(memory_.plans[(layer + 1) % 2].layer.out);
      }
    }
  }

  // By a thread that has passed a barrier behind all waits for the rows before.
  __device__ __forceinline__ void ExpectRows() const {
    Expect(SharedAddress(&memory_.barriers.row_came), Exchange::kRowBytes);
  }

  // What the layer needs but for weights and keys, and what the cluster's blocks will send of it:
  // all warps have seen the phases of the layer before end, ahead of the barrier in RunUp.
  __device__ __forceinline__ void Prepare(int layer) {
    WaitForPhase(SharedAddress(&memory_.barriers.planned[layer % 2]), layer / 2 % 2);
    if (thread_ == 0) {
      Expect(SharedAddress(&memory_.barriers.query_came), Exchange::kQueryBytes);
      Expect(SharedAddress(&memory_.barriers.shares_came),
             Attention::ShareBytes(memory_, layer, rank_));
      Expect(SharedAddress(&memory_.barriers.mixed_came), Exchange::kMixedBytes);
    }
    const DeviceLayer& of = memory_.plans[layer % 2].layer;
    if (HasQkv()) qkv_scale_ = ScaleOf(of.qkv, cluster_ * H::kQkvTiles + QkvTile());
    up_scale_ = ScaleOf(of.up, H::UpTile(cluster_, UpTile()));
  }
  // What the outputs of the matrix's tile `tile` are scaled by, the thread's.
  __device__ __forceinline__ OutputScale ScaleOf(const DeviceMatrix& matrix, int tile) const {
    OutputScale scale;
    scale.Fetch(matrix, tile * kTileOutputs + team_.within);
    return scale;
  }

  // A warp of a team finishes its tile of two rows, half of its lanes of each, and sends it to
  // kPairs of the cluster's blocks, to one at a time. What comes counts on `barrier`.
  __device__ __forceinline__ int Row() const {
    return team_.member % Cells::kPairs * 2 + team_.lane / kTileOutputs;
  }
  template <typename Value>
  __device__ __forceinline__ void SendToBlocks(const void* to, Value value,
                                               const uint64_t& barrier) const {
#pragma unroll
    for (int i = 0; i < Cells::kPairs; ++i) {
      const auto there = static_cast<uint32_t>(team_.member / Cells::kPairs * Cells::kPairs + i);
      cluster::Send(cluster::AddressIn(SharedAddress(to), there), value,
                    cluster::AddressIn(SharedAddress(&barrier), there));
    }
  }
  // Two neighbouring outputs, in even lanes.
  static __device__ __forceinline__ uint32_t PairOf(float value) {
    return Traits::Pack(value, __shfl_down_sync(0xFFFFFFFFu, value, 1));
  }

  // The tile's outputs to all blocks of the cluster.
  __device__ __forceinline__ void SendQkv(int layer) const {
    const float value = qkv_scale_.Of(TheProduct().SumOfTeam(Row()));
    const int first = QkvTile() * kTileOutputs;
    const int query = Row() * H::kHeads + first / S::kHead;
    const int within = first % S::kHead;  // all of a tile's are of one kind
    auto& exchange = memory_.exchange;
    if (within < S::kKey) {
      SendToBlocks(&exchange.query[query][within + team_.within], __float_as_uint(value),
                   memory_.barriers.query_came);
      return;
    }
    const bool is_key = within < 2 * S::kKey;
    const int at = within - (is_key ? 1 : 2) * S::kKey + team_.within;
    const uint32_t pair = PairOf(value);
    if (team_.lane % 2 != 0) return;
    SendToBlocks(is_key ? &exchange.own_key[query][at] : &exchange.own_value[query][at], pair,
                 memory_.barriers.query_came);
    if (team_.member >= Cells::kPairs) return;
    const QueryPlan& plan = memory_.plans[layer % 2].queries[query];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      std::byte* const home = is_key ? plan.key_homes[i] : plan.value_homes[i];
      if (home != nullptr) *reinterpret_cast<uint32_t*>(home + at * 2) = pair;
    }
  }

  // Sums of out over the cluster's group of inputs: a tile of outputs for each warp.
  __device__ __forceinline__ void MultiplyOut(const Cells& cells) {
    float sums[1][4] = {};
    product::MultiplyGroup<Memory::kFormat, Memory::kOperand>(
        TheProduct().Read(memory_.out[team_.warp]),
        TheProduct().ColumnsOf(memory_.exchange.mixed[0], Exchange::kPadded), sums);
    if (HasSums()) Send(cells.Out(cluster_) + PlaceOf(OutTile()), sums[0]);
  }

  // Up's tile to all blocks of the cluster.
  __device__ __forceinline__ void SendExpanded() const {
    constexpr int kTiles = kGroup / kTileOutputs;  // of a group
    const float sum = TheProduct().SumOfTeam(Row());
    const uint32_t pair = PairOf(Activate(a_.activation, up_scale_.Of(sum)));
    if (team_.lane % 2 != 0) return;
    SendToBlocks(&memory_.exchange.expanded[UpTile() / kTiles][Row()]
                                           [UpTile() % kTiles * kTileOutputs + team_.within],
                 pair, memory_.barriers.expanded_came);
  }

  // Sums of down over the cluster's inputs: a tile of one of its parts for each warp.
  __device__ __forceinline__ void MultiplyDown(int layer, const Cells& cells) {
    const int tile = team_.warp / H::kDownParts;
    const int part = team_.warp % H::kDownParts;
    Await(memory_.barriers.down_there, layer);
    typename Product::Weights weights = TheProduct().Read(memory_.down()[tile][0][part]);
    AwaitCluster(memory_.barriers.expanded_came, layer);
    float sums[1][4] = {};
#pragma unroll
    for (int round = 0; round < H::kRounds; ++round) {
      product::MultiplyGroup<Memory::kFormat, Memory::kOperand>(
          weights,
          TheProduct().ColumnsOf(memory_.exchange.expanded[round * H::kDownParts + part][0],
                                 Exchange::kPadded),
          sums);
      if (round + 1 < H::kRounds)
        weights = TheProduct().Read(memory_.down()[tile][round + 1][part]);
    }
    if (HasSums()) Send(cells.Down(DownWarp()) + PlaceOf(DownTile()), sums[0]);
  }

  const GridArguments& a_;
  Memory& memory_;
  uint32_t turn_ = 0;  // chunks of the half so far
  int thread_;
  Team<S::kModelGroups> team_;
  const int cluster_;
  const int rank_;
  Wait wait_;
  cluster::BoundedWait cluster_wait_;
  Residual residual_;
  // Of what is multiplied next: fetched before there is anything to wait for.
  OutputScale qkv_scale_;
  OutputScale up_scale_;
  typename Residual::Scales scales_;  // of what is added to the residual stream
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_ROWS_BLOCK_CUH_
