// A block of heads: its cluster's part of attention, and tiles of up.
//
//   H --> norm | q, k, v --to the cluster--> its chunks --to the cluster--> combined, out's sums
//   over the cluster's group --cells--> H' = H + O m | norm | f(up) --cells--> blocks of down
// A bar is a barrier. Every thread has an element of the residual stream, one warp finds the row's
// moments, every warp norms the group that it multiplies. Weights, keys and values are another
// warp's to fetch (heads_fetching.cuh).

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_BLOCK_CUH_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_BLOCK_CUH_

#include <cstdint>

#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/grid/cells.cuh"
#include "engine/cuda/grid/heads_attention.cuh"
#include "engine/cuda/grid/heads_combination.cuh"
#include "engine/cuda/grid/heads_product.cuh"
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
        attention_(a, memory),
        query_came_{SharedAddress(&memory.barriers.query_came), 0},
        shares_came_{SharedAddress(&memory.barriers.shares_came), 0},
        thread_(threadIdx.x),
        team_(thread_),
        product_(a, memory),
        cluster_(static_cast<int>(blockIdx.x) / kClusterBlocks),
        rank_(static_cast<int>(blockIdx.x) % kClusterBlocks),
        wait_(wait),
        cluster_wait_(a.error, ErrorWordOf(static_cast<int>(blockIdx.x), team_.warp)) {}

  // All layers; `tag`: that of the layer before the first.
  __device__ __forceinline__ void Run(uint32_t tag) {
    residual_ = Embedded(a_);
    Prepare(0);
#pragma unroll 1
    for (int layer = 0; layer < a_.n_layer; ++layer) {
      ++tag;
      RunAttention(layer, tag);
      RunUp(layer, tag);
      if (layer + 1 < a_.n_layer) Prepare(layer + 1);
    }
  }

 private:
  using H = HeadsSizes<S>;
  using Attention = HeadsAttention<S, Memory>;
  using Traits = OperandTraits<Memory::kOperand>;
  static constexpr int kCopiesWarp = kWarps - 2;
  static_assert(S::kModelGroups == kClusterBlocks);  // a warp of a team sends to each block

  __device__ __forceinline__ int QkvTile() const {  // of the cluster's
    return team_.index * kClusterBlocks + rank_;
  }
  __device__ __forceinline__ int UpTile() const {
    return static_cast<int>(blockIdx.x) * S::kModelTeams + team_.index;
  }
  __device__ __forceinline__ bool HasQkv() const { return QkvTile() < H::kQkvTiles; }
  __device__ __forceinline__ bool HasOut() const { return team_.warp < H::kOutTiles; }
  __device__ __forceinline__ int OutTile() const { return rank_ * H::kOutTiles + team_.warp; }
  // The phase of the layer, of what the block fetches for itself.
  static __device__ __forceinline__ void Await(const uint64_t& barrier, int layer) {
    WaitForPhase(SharedAddress(&barrier), layer % 2);
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
    AwaitCopies(barriers.qkv_there, layer);
    if (layer > 0) AwaitRow(layer - 1, tag - 1);
    product_.ShareRow(residual_);
    if (thread_ == 0) Release(barriers.began);
    if (HasQkv()) {
      product_.NormAndMultiply(memory_.qkv_norm, memory_.qkv[team_.index]);
      SendQkv(layer);
    } else {
      product_.Sync();  // NormAndMultiply's
    }
    const bool attends = attention_.Has(layer);
    if (attends) Await(barriers.keys_there, layer);  // all of the half, before they are released
    const typename Attention::Keys keys = attention_.FirstKeys();
    query_came_.Wait(cluster_wait_);
    if (thread_ == 0) Release(barriers.qkv_read);
    if (attends) attention_.Attend(layer, keys);
    if (thread_ % kHalfThreads == 0) Release(barriers.keys_read);
    // Also the sign that the sums of all clusters will come soon.
    if (HasOut()) Await(barriers.out_there, layer);
    AwaitCopies(barriers.up_there, layer);
    shares_came_.Wait(cluster_wait_);
    if (HasOut()) {
      SendPartial(layer, cells, tag);
      if (team_.lane == 0) Release(barriers.out_read);
    }
    AwaitPartials(cells, tag);
  }

  __device__ __forceinline__ void RunUp(int layer, uint32_t tag) {
    const LayerCells<S> cells(a_, layer);
    product_.ShareRow(residual_);
    product_.NormAndMultiply(memory_.up_norm, memory_.up[team_.index]);
    if (team_.member != 0) return;
    SendExpanded(cells, tag);
  }

  // What the layer needs but for weights and keys, and what the cluster's blocks will send of it:
  // all warps have seen the phases of the layer before end, ahead of the barrier in RunUp.
  __device__ __forceinline__ void Prepare(int layer) {
    WaitForPhase(SharedAddress(&memory_.barriers.planned[layer % 2]), layer / 2 % 2);
    if (thread_ == 0) {
      Expect(query_came_.barrier, decltype(memory_.exchange)::kQueryBytes);
      Expect(shares_came_.barrier,
             attention_.Shares(layer) * (S::kValue + 2) * static_cast<int>(sizeof(float)));
    }
    const DeviceLayer& of = memory_.plans[layer % 2].layer;
    out_scale_.Fetch(of.out, thread_);
    if (HasQkv()) {
      qkv_scale_.Fetch(of.qkv, (cluster_ * H::kQkvTiles + QkvTile()) * kTileOutputs + team_.within);
    }
    up_scale_.Fetch(of.up, UpTile() * kTileOutputs + team_.within);
  }

  // The residual stream after a layer.
  __device__ __forceinline__ void AwaitRow(int layer, uint32_t tag) {
    const LayerCells<S> cells(a_, layer);
    AwaitSign(cells.Expanded(0), tag, wait_);
    residual_ = __uint_as_float(grid::Await(cells.Done(0) + thread_, tag, wait_));
  }

  // What has been copied for the layer, by one warp: there for all behind ShareRow. A wait costs a
  // warp some 100 cycles even when it is over.
  __device__ __forceinline__ void AwaitCopies(const uint64_t& barrier, int layer) const {
    if (team_.warp == kCopiesWarp) Await(barrier, layer);
  }

  // Four bytes to the place `to` of a block of the cluster, for each warp of a team another; they
  // count on its `barrier`.
  __device__ __forceinline__ void SendToBlock(const void* to, uint32_t value,
                                              uint32_t barrier) const {
    const auto there = static_cast<uint32_t>(team_.member);
    cluster::Send(cluster::AddressIn(SharedAddress(to), there), value,
                  cluster::AddressIn(barrier, there));
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
                    query_came_.barrier);
      }
      return;
    }
    const bool is_key = within < 2 * S::kKey;
    const int at = within - (is_key ? 1 : 2) * S::kKey + team_.lane;
    const uint32_t pair = PairOf(value);
    if (team_.lane >= kTileOutputs || team_.lane % 2 != 0) return;
    SendToBlock(is_key ? &exchange.own_key[head][at] : &exchange.own_value[head][at], pair,
                query_came_.barrier);
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

  // H' = H + O m: of one element, by every thread.
  __device__ __forceinline__ void AwaitPartials(const LayerCells<S>& cells, uint32_t tag) {
    Cell parts[H::kClusters];
    wait_.Until([&] {
      bool all = true;
#pragma unroll
      for (int i = 0; i < H::kClusters; ++i) parts[i] = Look(cells.Partial(i) + thread_);
#pragma unroll
      for (int i = 0; i < H::kClusters; ++i) all = all && parts[i].tag == tag;
      return all;
    });
    float sum = 0;
#pragma unroll
    for (int i = 0; i < H::kClusters; ++i) sum += __uint_as_float(parts[i].content);
    residual_ = residual_ + out_scale_.Of(sum);
    if (thread_ / 8 == static_cast<int>(blockIdx.x)) {
      Send(cells.Attended(0) + thread_, residual_, tag);
    }
  }

  // Up's tile, an output a lane.
  __device__ __forceinline__ void SendExpanded(const LayerCells<S>& cells, uint32_t tag) const {
    const uint32_t pair = PairOf(Activate(a_.activation, up_scale_.Of(product_.SumOfTeam())));
    if (team_.lane >= kTileOutputs || team_.lane % 2 != 0) return;
    Send(cells.Expanded(0) + OperandCell(UpTile() * kTileOutputs + team_.within), pair, tag);
  }

  const GridArguments& a_;
  Memory& memory_;
  Attention attention_;
  cluster::Exchange query_came_;
  cluster::Exchange shares_came_;
  const int thread_;
  const Team<S::kModelGroups> team_;
  const HeadsProduct<S, Memory> product_;
  const int cluster_;
  const int rank_;
  Wait wait_;
  cluster::BoundedWait cluster_wait_;
  float residual_ = 0;  // the thread's element
  OutputScale qkv_scale_;
  OutputScale out_scale_;
  OutputScale up_scale_;
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_BLOCK_CUH_
