// Shared memory of a block of heads for several rows (rows_block.cuh), and what its warps tell each
// other. As heads_memory.cuh, but that keys and values come as streams, a ring of places to each
// half of the block.

#ifndef STRIDED_ENGINE_CUDA_GRID_ROWS_MEMORY_CUH_
#define STRIDED_ENGINE_CUDA_GRID_ROWS_MEMORY_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/grid/heads_memory.cuh"

namespace strided::cuda::grid {

// Queries of a cluster: query q is head q % kHeads of row q / kHeads. Half h of block r has chunks
// of one query: of number h * 8 + r, modulo kQueries; the first is h * 8 + r over kQueries, each
// other one is kStep further on. A query is at home in block q % 8, where its shares are combined.
template <class S, int kRowsOf>
struct RowsSizes {
  static constexpr int kRows = kRowsOf;
  static constexpr int kQueries = kRows * HeadsSizes<S>::kHeads;
  static constexpr int kTurn = kHalves * kClusterBlocks;  // halves of a cluster
  static constexpr int kStep = kTurn / kQueries;
  static constexpr int kHomed = (kQueries + kClusterBlocks - 1) / kClusterBlocks;  // of a block
  static constexpr int kPlaces = S::kValue == kGroup ? 1 : 2;                      // of a half
  static_assert(kTurn % kQueries == 0);
};

// As HeadsExchange, whose argument holds here: a row's place is written again when all that came of
// it has.
template <class S, Operand kOperand, int kRows>
struct RowsExchange {
  using R = RowsSizes<S, kRows>;
  using Type = typename OperandTraits<kOperand>::Type;
  static constexpr int kPadded = kGroup + product::kRowPadding;

  // By query, its own key and value.
  __align__(16) float query[R::kQueries][S::kKey];
  __align__(16) Type own_key[R::kQueries][S::kKey];
  __align__(16) Type own_value[R::kQueries][S::kValue];
  // Of queries of several chunks that are at home in the block: weighted values, the largest score,
  // the sum of weights.
  __align__(16) float shares[R::kHomed][kMostChunks][S::kValue + 2];
  // What out multiplies, and down: by group.
  __align__(16) Type mixed[kRows][kPadded];
  __align__(16) Type expanded[HeadsSizes<S>::kUpGroups][kRows][kPadded];
  // The residual stream; once its moments are known the normed row is in its place.
  __align__(16) float row[kRows][S::kModel + product::kSumPadding];

  static constexpr int kQueryBytes =
      static_cast<int>(sizeof(query) + sizeof(own_key) + sizeof(own_value));
  static constexpr int kMixedBytes = kRows * kGroup * static_cast<int>(sizeof(Type));
  static constexpr int kExpandedBytes = HeadsSizes<S>::kUpGroups * kMixedBytes;
  static constexpr int kRowBytes = kRows * S::kModel * static_cast<int>(sizeof(float));
};

// What a layer needs of global memory for a query, found a layer ahead.
struct QueryPlan {
  int chunks = 0;  // 0: the query reads nothing
  int keys = 0;
  int own = -1;  // its own key among them, if it is
  // Where its own key and value go, in the cache; null: nowhere.
  std::byte* key_homes[2] = {};
  std::byte* value_homes[2] = {};
};
template <int kQueries>
struct RowsPlan {
  QueryPlan queries[kQueries];
  DeviceLayer layer;
};

// As HeadsBarriers. Those of a place have a phase for each chunk that lies there.
template <int kPlaces>
struct RowsBarriers {
  uint64_t query_came;
  uint64_t shares_came;
  uint64_t mixed_came;
  uint64_t expanded_came;
  uint64_t row_came;  // twice a layer
  uint64_t planned[2];
  uint64_t qkv_there;
  uint64_t out_there;
  uint64_t up_there;
  uint64_t down_there;
  uint64_t began;
  uint64_t qkv_read;
  uint64_t out_read;
  // Of a place, by half.
  uint64_t keys_there[kHalves][kPlaces];
  uint64_t values_there[kHalves][kPlaces];
  uint64_t keys_read[kHalves][kPlaces];
  uint64_t values_read[kHalves][kPlaces];

  // By one thread, before a barrier of the cluster.
  __device__ __forceinline__ void Init(int out_warps) {
    const auto init = [](const uint64_t& barrier, int arrivals) {
      InitBarrier(SharedAddress(&barrier), arrivals);
    };
    for (uint64_t* barrier = &query_came; barrier != &keys_read[0][0]; ++barrier) {
      init(*barrier, barrier == &out_read ? out_warps : 1);
    }
    for (int half = 0; half < kHalves; ++half) {
      for (int place = 0; place < kPlaces; ++place) {
        init(keys_read[half][place], kHalfWarps);
        init(values_read[half][place], kHalfWarps);
      }
    }
    PublishBarriers();
  }
};

template <class S, WeightFormat kFormatOf, Operand kOperandOf, int kRowsOf>
struct RowsMemory : HeadsTypes<S, kFormatOf, kOperandOf> {
  using Types = HeadsTypes<S, kFormatOf, kOperandOf>;
  using typename Types::Down;
  using typename Types::Group;
  using typename Types::Slot;
  using typename Types::Tile;
  using R = RowsSizes<S, kRowsOf>;
  static constexpr int kRows = kRowsOf;

  __align__(128) Tile qkv[S::kModelTeams];
  __align__(128) Tile up[S::kModelTeams];
  __align__(128) Group out[HeadsSizes<S>::kOutTiles];
  __align__(128) Down own_down;
  __align__(128) Slot slots[kHalves * R::kPlaces];
  RowsExchange<S, kOperandOf, kRows> exchange;
  __align__(16) float qkv_norm[2][S::kModel];  // weight, bias
  __align__(16) float up_norm[2][S::kModel];
  // A warp's sums of its tile, by column; when those of q, k, v have been sent the half's chunks.
  union {
    __align__(16) float sums[kWarps][kRows][16 + product::kSumPadding];
    __align__(16) float mixed[kHalves][kHalfWarps][S::kValue];
  };
  __align__(16) float scores[kHalves][kAttentionChunk];
  float weights[kHalves][kHalfWarps];
  // The block's eighth of the residual stream.
  __align__(16) float eighth[kRows][S::kModel / kClusterBlocks + product::kSumPadding];
  RowsPlan<R::kQueries> plans[2];
  uint32_t tag;  // of all layers before the step's
  RowsBarriers<R::kPlaces> barriers;

  __device__ __forceinline__ Down& down() { return own_down; }
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_ROWS_MEMORY_CUH_
