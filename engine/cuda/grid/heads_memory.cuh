// Shared memory of a block of heads (heads_block.cuh), and what its warps tell each other.

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_MEMORY_CUH_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_MEMORY_CUH_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "engine/cuda/grid/heads_sizes.h"
#include "engine/cuda/grid/product_memory.cuh"
#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/attention_vectors.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/product_weights.cuh"

namespace strided::cuda::grid {

inline constexpr int kHalves = 2;  // of a block's warps: each attends to a chunk
inline constexpr int kHalfThreads = kThreads / kHalves;
inline constexpr int kHalfWarps = kWarps / kHalves;

// What the blocks of a cluster tell each other of a layer. Written again in the next one, by blocks
// that have got the residual stream after this one: that depends on sums of every block's, and
// those on what it has read here. So do the two of `row`, of one another: between them lie sums of
// attention, or of the MLP, of every block.
template <class S, Operand kOperand>
struct HeadsExchange {
  static constexpr int kHeads = HeadsSizes<S>::kHeads;
  using Type = typename OperandTraits<kOperand>::Type;

  // By head: its query, its own key and value.
  __align__(16) float query[kHeads][S::kKey];
  __align__(16) Type own_key[kHeads][S::kKey];
  __align__(16) Type own_value[kHeads][S::kValue];
  // By chunk, then head: weighted values, the largest score, the sum of weights.
  __align__(16) float shares[kUnits][HeadsSizes<S>::kShare];
  // What down multiplies: up's outputs, by group.
  __align__(16) Type expanded[HeadsSizes<S>::kUpGroups][kGroup];
  __align__(16) float row[S::kModel];  // the residual stream

  static constexpr int kQueryBytes =
      static_cast<int>(sizeof(query) + sizeof(own_key) + sizeof(own_value));
  static constexpr int kExpandedBytes = static_cast<int>(sizeof(expanded));
  static constexpr int kRowBytes = static_cast<int>(sizeof(row));
};

// What a layer needs of global memory, found a layer ahead: for a chunk of keys, for a head.
struct SlotPlan {
  int count = 0;  // of the chunk's keys
  int own = -1;   // the query's own among them, if it is
  bool used = false;
};
struct HeadPlan {
  int chunks = 0;  // 0: the query reads nothing
  // Where its own key and value go, in the cache; null: nowhere.
  std::byte* key_homes[2] = {};
  std::byte* value_homes[2] = {};
};
struct HeadsPlan {
  static constexpr int kMostHeads = 2;
  SlotPlan slots[kSlots];
  HeadPlan heads[kMostHeads];
  DeviceLayer layer;
};

// Barriers of the block; each has a phase for every layer but row_came, which has two, and those of
// plans, which have one for every second layer:
// a layer may be planned before the plan before it has been waited for by all.
struct HeadsBarriers {
  // What the cluster's blocks send.
  uint64_t query_came;
  uint64_t shares_came;
  uint64_t expanded_came;
  uint64_t row_came;  // twice a layer
  // From the warp that fetches to the others.
  uint64_t planned[2];
  uint64_t qkv_there;
  uint64_t keys_there;
  uint64_t out_there;
  uint64_t up_there;
  uint64_t down_there;
  // And back; `began`: the row of the layer has come.
  uint64_t began;
  uint64_t qkv_read;
  uint64_t keys_read;
  uint64_t out_read;
  uint64_t down_read;
};

// By one thread, before a barrier of the cluster.
template <class S>
__device__ __forceinline__ void InitBarriers(HeadsBarriers& barriers) {
  const auto init = [](const uint64_t& barrier, int arrivals) {
    InitBarrier(SharedAddress(&barrier), arrivals);
  };
  init(barriers.query_came, 1);
  init(barriers.shares_came, 1);
  init(barriers.expanded_came, 1);
  init(barriers.row_came, 1);
  for (const uint64_t& barrier : barriers.planned) init(barrier, 1);
  init(barriers.qkv_there, 1);
  init(barriers.keys_there, 1);
  init(barriers.out_there, 1);
  init(barriers.up_there, 1);
  init(barriers.down_there, 1);
  init(barriers.began, 1);
  init(barriers.qkv_read, 1);
  init(barriers.keys_read, kHalves);
  init(barriers.out_read, HeadsSizes<S>::kOutTiles);
  init(barriers.down_read, HeadsSizes<S>::kOutTiles * HeadsSizes<S>::kDownParts);
  PublishBarriers();
}

// What lies in that memory.
template <class S, WeightFormat kFormatOf, Operand kOperandOf>
struct HeadsTypes {
  static constexpr WeightFormat kFormat = kFormatOf;
  static constexpr Operand kOperand = kOperandOf;
  using Type = typename OperandTraits<kOperand>::Type;
  using Weights = product::GroupWeights<kFormat>;
  using Group = uint4[Weights::kUnits][32];  // of a tile, as packed
  using Tile = Group[S::kModelGroups];
  using Chunk = uint4[kAttentionChunk][S::kKeyLanes];
  // Tiles of down: of the cluster's inputs alone.
  using Down = Group[HeadsSizes<S>::kOutTiles][HeadsSizes<S>::kRounds][HeadsSizes<S>::kDownParts];
  struct Slot {
    Chunk keys;
    Chunk values;
  };
};

template <class S, WeightFormat kFormatOf, Operand kOperandOf>
struct HeadsMemory : HeadsTypes<S, kFormatOf, kOperandOf> {
  using Types = HeadsTypes<S, kFormatOf, kOperandOf>;
  using typename Types::Down;
  using typename Types::Group;
  using typename Types::Slot;
  using typename Types::Tile;
  static_assert(HeadsSizes<S>::kHeads <= HeadsPlan::kMostHeads);

  __align__(128) Tile qkv[S::kModelTeams];
  __align__(128) Tile up[S::kModelTeams];
  __align__(128) Group out[HeadsSizes<S>::kOutTiles];
  __align__(128) Slot slots[kSlots];
  HeadsExchange<S, kOperandOf> exchange;
  __align__(16) float qkv_norm[2][S::kModel];  // weight, bias
  __align__(16) float up_norm[2][S::kModel];
  __align__(16) float sums[kWarps][16];  // a warp's, of its tile
  float2 moments;                        // the row's: mean, factor
  // Attention's sums, by half.
  __align__(16) float mixed[kHalves][kHalfWarps][S::kValue];
  __align__(16) float scores[kHalves][kAttentionChunk];
  float weights[kHalves][kHalfWarps];
  HeadsPlan plans[2];  // of this layer and the next, by turns
  HeadsBarriers barriers;

  // Where slots are large, down is in the place of the last one. A layer with keys there has its
  // weights late.
  static constexpr bool kDownShares = sizeof(Slot) >= sizeof(Down);
  struct Nothing {};
  __align__(16) std::conditional_t<kDownShares, Nothing, Down> own_down;

  __device__ __forceinline__ Down& down() {
    if constexpr (kDownShares) {
      return *reinterpret_cast<Down*>(&slots[kSlots - 1]);
    } else {
      return own_down;
    }
  }
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_MEMORY_CUH_
