// A block of heads: its cluster's part of attention, and tiles of up.
//
//   H --> norm | q, k, v --to the cluster--> its chunks --to the cluster--> combined, out's sums
//   over the cluster's group --cells--> H' = H + O m | norm | f(up) --cells--> blocks of down
// A bar is a barrier. Every thread has an element of the residual stream, every warp norms the row
// for itself. Weights, keys and values are another warp's to fetch (heads_fetching.cuh).

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_BLOCK_CUH_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_BLOCK_CUH_

#include <cstdint>

#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/grid/cells.cuh"
#include "engine/cuda/grid/heads_attention.cuh"
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
  static constexpr WeightFormat kFormat = Memory::kFormat;
  static constexpr Operand kOperand = Memory::kOperand;
  using Traits = OperandTraits<kOperand>;
  using Weights = product::GroupWeights<kFormat>;
  static constexpr int kVectors = S::kModel / 128;

  __device__ __forceinline__ int QkvTile() const {  // of the cluster's
    return team_.index * kClusterBlocks + rank_;
  }
  __device__ __forceinline__ int UpTile() const {
    return static_cast<int>(blockIdx.x) * S::kModelTeams + team_.index;
  }
  __device__ __forceinline__ bool HasQkv() const { return QkvTile() < H::kQkvTiles; }
  __device__ __forceinline__ bool HasOut() const { return team_.warp < H::kOutTiles; }
  __device__ __forceinline__ int OutTile() const { return rank_ * H::kOutTiles + team_.warp; }
  __device__ __forceinline__ void Sync() const {
    constexpr int kBarrier = kFirstTeamBarrier + S::kModelTeams;
    SyncThreads(kBarrier, kThreads);
  }
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
    if (layer > 0) AwaitRow(layer - 1, tag - 1);
    memory_.row[thread_] = residual_;
    Sync();
    if (HasQkv()) {
      Await(barriers.qkv_there, layer);
      NormAndMultiply(memory_.qkv_norm, memory_.qkv[team_.index]);
      if (team_.member == 0) SendQkv(layer);
    }
    query_came_.Wait(cluster_wait_);
    if (thread_ == 0) Release(barriers.qkv_read);
    if (attention_.Has(layer)) {  // then all of the half wait for keys before they are released
      Await(barriers.keys_there, layer);
      attention_.Attend(layer);
    }
    if (thread_ % kHalfThreads == 0) Release(barriers.keys_read);
    // Also the sign that the sums of all clusters will come soon.
    shares_came_.Wait(cluster_wait_);
    if (HasOut()) {
      Await(barriers.out_there, layer);
      SendPartial(layer, cells, tag);
      if (team_.lane == 0) Release(barriers.out_read);
    }
    AwaitPartials(cells, tag);
  }

  __device__ __forceinline__ void RunUp(int layer, uint32_t tag) {
    const LayerCells<S> cells(a_, layer);
    memory_.row[thread_] = residual_;
    Sync();
    Await(memory_.barriers.up_there, layer);
    NormAndMultiply(memory_.up_norm, memory_.up[team_.index]);
    if (team_.member != 0) return;
    SendExpanded(cells, tag);
    if (team_.lane == 0) Release(memory_.barriers.up_read);
  }

  // What the layer needs but for weights and keys, and what the cluster's blocks will send of it:
  // all warps have seen the phases of the layer before end, ahead of the barrier in RunUp.
  __device__ __forceinline__ void Prepare(int layer) {
    WaitForPhase(SharedAddress(&memory_.barriers.planned[layer % 2]), layer / 2 % 2);
    if (thread_ == 0) {
      Expect(query_came_.barrier, decltype(memory_.exchange)::kQueryBytes);
      Expect(shares_came_.barrier,
             attention_.Shares(layer) * H::kShare * static_cast<int>(sizeof(float)));
    }
    const DeviceLayer& of = memory_.plans[layer % 2].layer;
    out_scale_.Fetch(of.out, thread_);
    if (team_.member != 0) return;
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

  // The team's tile, of the row in shared memory: leaves the warps' sums, behind a barrier of the
  // team.
  __device__ __forceinline__ void NormAndMultiply(const float (&norm)[2][S::kModel],
                                                  const typename Memory::Tile& tile) {
    float4 x[kVectors];
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      x[v] = reinterpret_cast<const float4*>(memory_.row)[v * 32 + team_.lane];
    }
    const int vector = team_.lane % 16;  // of the warp's group
    const auto own_of = [&](const float* of) {
      return reinterpret_cast<const float4*>(of + team_.member * kGroup)[vector];
    };
    const float mean = MeanOf(x, S::kModel, a_.norm_mean_share);
    const float factor = FactorOf(x, mean, S::kModel, a_.norm_epsilon);
    const float4 y =
        Normalised(own_of(memory_.row), mean, factor, own_of(norm[0]), own_of(norm[1]));
    auto* const normed = memory_.normed[team_.warp];
    if (team_.lane < 16) {
      *reinterpret_cast<uint2*>(normed + vector * 4) =
          make_uint2(Traits::Pack(y.x, y.y), Traits::Pack(y.z, y.w));
    }
    const Weights weights = Read(tile[team_.member]);
    __syncwarp();
    // Every column is the row.
    const product::GroupColumns<1> columns(normed, 0, team_.lane);
    float sums[1][4] = {};
    product::MultiplyGroup<kFormat, kOperand>(weights, columns, sums);
    if (team_.lane % 4 == 0) {
      memory_.sums[team_.warp][team_.lane / 4] = sums[0][0];
      memory_.sums[team_.warp][team_.lane / 4 + 8] = sums[0][2];
    }
    team_.Sync();
  }

  __device__ __forceinline__ Weights Read(const typename Memory::Group& group) const {
    Weights weights;
#pragma unroll
    for (int i = 0; i < Weights::kUnits; ++i) weights.units[i] = group[i][team_.lane];
    return weights;
  }

  // The sum over the team's warps of an output, team_.within.
  __device__ __forceinline__ float SumOfTeam() const {
    float sum = 0;
#pragma unroll
    for (int w = 0; w < S::kModelGroups; ++w) {
      sum += memory_.sums[team_.index * S::kModelGroups + w][team_.within];
    }
    return sum;
  }

  // The tile's outputs to all blocks of the cluster, by a warp: lane l sends four of them, from
  // 4 * (l % 4) on, to block l / 4.
  __device__ __forceinline__ void SendQkv(int layer) {
    const int quad = team_.lane % 4;
    const float of_lane = qkv_scale_.Of(SumOfTeam());
    float of_quad[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) of_quad[i] = __shfl_sync(0xFFFFFFFFu, of_lane, quad * 4 + i);
    const float4 value = make_float4(of_quad[0], of_quad[1], of_quad[2], of_quad[3]);
    const auto there = static_cast<uint32_t>(team_.lane / 4);
    const int output = QkvTile() * kTileOutputs + quad * 4;
    const int head = output / S::kHead;
    const int within = output % S::kHead;
    auto& exchange = memory_.exchange;
    const uint32_t barrier = cluster::AddressIn(query_came_.barrier, there);
    const auto send = [&](const void* to, const auto& what) {
      cluster::Send(cluster::AddressIn(SharedAddress(to), there), what, barrier);
    };
    if (within < S::kKey) {
      send(&exchange.query[head][within], value);
      return;
    }
    const uint2 four = make_uint2(Traits::Pack(value.x, value.y), Traits::Pack(value.z, value.w));
    const bool is_key = within < 2 * S::kKey;
    send(is_key ? &exchange.own_key[head][within - S::kKey]
                : &exchange.own_value[head][within - 2 * S::kKey],
         four);
    if (there != 0) return;
    const HeadPlan& plan = memory_.plans[layer % 2].heads[head];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      std::byte* const home = is_key ? plan.key_homes[i] : plan.value_homes[i];
      const int at = within - (is_key ? 1 : 2) * S::kKey;
      if (home != nullptr) *reinterpret_cast<uint2*>(home + at * 2) = four;
    }
  }

  // Sums of out over the cluster's group of inputs: a tile of outputs for each warp.
  __device__ __forceinline__ void SendPartial(int layer, const LayerCells<S>& cells, uint32_t tag) {
    const uint32_t mixed = attention_.Combine(layer);
    product::GroupColumns<1> columns;
#pragma unroll
    for (int step = 0; step < product::kGroupSteps; ++step) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        columns.b[step][0][i] = __shfl_sync(0xFFFFFFFFu, mixed, step * 8 + i * 4 + team_.lane % 4);
      }
    }
    const Weights weights = Read(memory_.out[team_.warp]);
    float sums[1][4] = {};
    product::MultiplyGroup<kFormat, kOperand>(weights, columns, sums);
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
    const float value = Activate(a_.activation, up_scale_.Of(SumOfTeam()));
    const float next = __shfl_down_sync(0xFFFFFFFFu, value, 1);
    if (team_.lane >= kTileOutputs || team_.lane % 2 != 0) return;
    Send(cells.Expanded(0) + OperandCell(UpTile() * kTileOutputs + team_.within),
         Traits::Pack(value, next), tag);
  }

  const GridArguments& a_;
  Memory& memory_;
  HeadsAttention<S, Memory> attention_;
  cluster::Exchange query_came_;
  cluster::Exchange shares_came_;
  const int thread_;
  const Team<S::kModelGroups> team_;
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
