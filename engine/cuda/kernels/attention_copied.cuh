// Queries of one chunk: keys and values copied to shared memory by the hardware before the query is
// there.
//
// For many queries. A chunk's rows are one or two stretches of the cache, so that one thread asks
// for them all, before the wait for the grid before. No registers wait for them, so that more
// blocks stand on a multiprocessor beside that grid's. The query's own key and value, which that
// grid writes, are put in their place after the wait. A team of kTeamWarps warps takes a head;
// order of sums as in attention_early.cuh.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_COPIED_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_COPIED_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/attention_vectors.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"
#include "engine/cuda/kernels/launch.h"

namespace strided::cuda::attention {

// What a team has of one head, and how it reads it.
template <Operand kOperandOf, int kTeamWarpsOf, int kKeyLanesOf, int kValueLanesOf>
struct CopiedHead {
  static constexpr Operand kOperand = kOperandOf;
  static constexpr int kTeamWarps = kTeamWarpsOf;
  static constexpr int kTeam = 32 * kTeamWarps;  // threads
  static constexpr int kKeyLanes = kKeyLanesOf;
  static constexpr int kValueLanes = kValueLanesOf;
  static constexpr int kKeyBytes = kKeyLanes * 16;
  static constexpr int kValueBytes = kValueLanes * 16;
  static_assert(kTeam >= kAttentionChunk, "a thread copies a row");
  static_assert(kTeam >= kValueLanes * kVector, "a thread writes a value");
  using KeyTurns = VectorTurns<kTeamWarps, kKeyLanes>;
  using ValueTurns = VectorTurns<kTeamWarps, kValueLanes>;

  struct Shared {
    __align__(16) std::byte keys[kAttentionChunk * kKeyBytes];
    __align__(16) std::byte values[kAttentionChunk * kValueBytes];
    __align__(16) float sums[kTeamWarps][kValueLanes * kVector];
    float scores[kAttentionChunk];
    float weights[kTeamWarps];
    uint64_t barrier;  // for the copies
  };
};

// A head's attention by a team, for its thread `thread`, which meets the others at barrier `id`.
// Requires keys and values that fill their lanes' vectors, and chunks == 1.
template <class Head>
class CopiedQuery {
 public:
  using Shared = typename Head::Shared;

  // Copies the keys and values of the query of `row` and `head`.
  __device__ __forceinline__ void Begin(const DecodeAttention& a, Shared& shared, int row, int head,
                                        int thread, int id) {
    Query query;
    busy_ = FindQueryOf(a, 2, row, head, query);
    if (!busy_) return;
    keys_ = query.keys;
    const KeyStretches rows = query.layout.StretchesOf(query.position, query.length);
    const uint32_t barrier = SharedAddress(&shared.barrier);
    if (thread == 0) {
      InitBarrier(barrier, 1);
      PublishBarriers();
      Expect(barrier, keys_ * (Head::kKeyBytes + Head::kValueBytes));
      if (rows.straight) {
        const int split = min(keys_, rows.split);
        CopyRows(query, shared, 0, 0, split);
        CopyRows(query, shared, split, split + rows.jump, keys_ - split);
      }
    }
    SyncThreads(id, Head::kTeam);
    if (!rows.straight && thread < keys_) {
      CopyRows(query, shared, thread, query.layout.KeyRow(query.position, thread, query.length), 1);
    }
    FindOwn(query, shared, thread);
  }

  // The rest, after the wait.
  __device__ __forceinline__ void Finish(const DecodeAttention& a, Shared& shared, int row,
                                         int head, int thread, int id) const {
    if (!busy_) return;
    const int64_t index = static_cast<int64_t>(row) * a.n_head + head;
    const VectorQuery<Head::kKeyLanes> query(a, index, thread % Head::kKeyLanes);
    ReplaceOwn(shared, id);
    Score<Head::kOperand, typename Head::KeyTurns, Head::KeyTurns::kTurns>(
        0, keys_, query, shared.scores, [&](int turn) {
          return reinterpret_cast<const uint4*>(shared.keys)[turn * Head::kTeam + thread];
        });
    SyncThreads(id, Head::kTeam);
    const float largest = LargestScore(shared.scores, keys_);
    const VectorSums sums =
        Weigh<Head::kOperand, typename Head::ValueTurns, Head::ValueTurns::kTurns>(
            VectorSums(), 0, keys_, shared.scores, largest, [&](int turn) {
              return reinterpret_cast<const uint4*>(shared.values)[turn * Head::kTeam + thread];
            });
    ShareSums<Head::kValueLanes>(sums, /*used=*/true, shared.sums[thread / 32],
                                 shared.weights + thread / 32);
    SyncThreads(id, Head::kTeam);
    Conclude(a, shared, index, thread);
  }

 private:
  // Keys `key`... of the query, which are the cache's rows `row`...
  static __device__ __forceinline__ void CopyRows(const Query& query, Shared& shared, int key,
                                                  int row, int count) {
    if (count <= 0) return;
    const uint32_t barrier = SharedAddress(&shared.barrier);
    cluster::CopyBulk(SharedAddress(shared.keys + key * Head::kKeyBytes),
                      query.keys_at + int64_t{row} * Head::kKeyBytes, count * Head::kKeyBytes,
                      barrier);
    cluster::CopyBulk(SharedAddress(shared.values + key * Head::kValueBytes),
                      query.values_at + int64_t{row} * Head::kValueBytes, count * Head::kValueBytes,
                      barrier);
  }

  // Where the thread's vector of the query's own key or value is, and where it goes.
  __device__ __forceinline__ void FindOwn(const Query& query, const Shared& shared, int thread) {
    const int own = query.layout.OwnKey(query.position);
    if (own < 0 || own >= keys_ || thread >= Head::kKeyLanes + Head::kValueLanes) return;
    const int64_t row = query.layout.KeyRow(query.position, own, query.length);
    if (thread < Head::kKeyLanes) {
      own_from_ = query.keys_at + row * Head::kKeyBytes + thread * 16;
      own_to_ = SharedAddress(shared.keys + own * Head::kKeyBytes + thread * 16);
    } else {
      const int vector = (thread - Head::kKeyLanes) * 16;
      own_from_ = query.values_at + row * Head::kValueBytes + vector;
      own_to_ = SharedAddress(shared.values + own * Head::kValueBytes + vector);
    }
  }

  // Waits for the copies; the query's own key and value are read anew.
  __device__ __forceinline__ void ReplaceOwn(const Shared& shared, int id) const {
    float4 vector = make_float4(0, 0, 0, 0);
    if (own_from_ != nullptr) vector = __ldcg(reinterpret_cast<const float4*>(own_from_));
    if (keys_ > 0) WaitForPhase(SharedAddress(&shared.barrier), 0);
    if (own_from_ != nullptr) cluster::Store(own_to_, vector);
    SyncThreads(id, Head::kTeam);
  }

  __device__ __forceinline__ void Conclude(const DecodeAttention& a, const Shared& shared,
                                           int64_t index, int thread) const {
    if (thread >= Head::kValueLanes * kVector) return;
    float sum = 0;
    float value = 0;
#pragma unroll
    for (int w = 0; w < Head::kTeamWarps; ++w) sum += shared.weights[w];
#pragma unroll
    for (int w = 0; w < Head::kTeamWarps; ++w) value += shared.sums[w][thread];
    const float inverse = keys_ > 0 ? 1.0f / sum : 0.0f;
    using Traits = OperandTraits<Head::kOperand>;
    reinterpret_cast<typename Traits::Type*>(a.out)[index * a.d_value + thread] =
        Traits::From(value * inverse);
  }

  bool busy_ = false;
  int keys_ = 0;
  const std::byte* own_from_ = nullptr;
  uint32_t own_to_ = 0;
};

// A head to each of kTeams teams of a block.
template <class HeadOf, int kTeamsOf>
struct CopiedAttention {
  using Head = HeadOf;
  static constexpr int kTeams = kTeamsOf;
  static constexpr int kThreads = kTeams * Head::kTeam;
  // Of a multiprocessor: as many as stand beside a block of the product before.
  static constexpr int kBlocks = 1024 / kThreads;
  struct Memory {
    typename Head::Shared heads[kTeams];
  };
};

// Grid: (1, n_head / kTeams, rows).
template <class S>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks)
    CopiedAttentionKernel(const __grid_constant__ DecodeAttention a) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(16) std::byte shared[];
  LetNextGridStart();
  const int row = blockIdx.z;
  const int team = threadIdx.x / S::Head::kTeam;
  const int thread = threadIdx.x % S::Head::kTeam;
  const int head = blockIdx.y * S::kTeams + team;
  const int barrier = 1 + team;
  auto& memory = reinterpret_cast<typename S::Memory*>(shared)->heads[team];
  CopiedQuery<typename S::Head> query;
  query.Begin(a, memory, row, head, thread, barrier);
  WaitForGridBefore();
  query.Finish(a, memory, row, head, thread, barrier);
#endif
}

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_COPIED_CUH_
