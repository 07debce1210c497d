// Chunks of many queries as streams through shared memory.
//
// For many queries of several chunks, where bandwidth counts. As many teams of warps as the device
// holds share all keys evenly (key_shares.h), so that none begins anew or ends late. For each a
// warp of its own asks for chunks ahead by bulk copies (stream_source.cuh), from one query on to
// the next. A team's warps meet once a chunk, when its scores are there; its sums are added up over
// the warps behind the next chunk's scores. Order of sums as in attention_early.cuh.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_STREAM_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_STREAM_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/attention_vectors.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/stream_ring.cuh"
#include "engine/cuda/kernels/stream_source.cuh"

namespace strided::cuda::attention {

template <Operand kOperandOf, int kWarpsOf, int kKeyLanesOf, int kValueLanesOf>
struct StreamShape {
  static constexpr Operand kOperand = kOperandOf;
  static constexpr int kWarps = kWarpsOf;  // of a team
  static constexpr int kKeyLanes = kKeyLanesOf;
  static constexpr int kValueLanes = kValueLanesOf;
  // Of a block. Two of eight warps would not have registers enough.
  static constexpr int kTeams = kWarps <= 4 ? 2 : 1;
  static constexpr int kTeamThreads = 32 * kWarps;
  static constexpr int kThreads = kTeams * (kTeamThreads + 32);
  using KeyTurns = VectorTurns<kWarps, kKeyLanes>;
  using ValueTurns = VectorTurns<kWarps, kValueLanes>;
  using By = TeamOfBlock<kTeamThreads, kTeams>;

  // What a team's warps tell each other. Two of what is read while the next is written.
  struct Shared {
    float scores[2][kAttentionChunk];
    float weights[2][kWarps];
    __align__(16) float sums[2][kWarps][kValueLanes * kVector];
  };
};

// A team's thread.
template <class S>
class AttentionStream {
 public:
  using Shared = typename S::Shared;
  using By = typename S::By;

  __device__ AttentionStream(const DecodeAttention& a, const StreamRing& ring, Shared& shared)
      : a_(a), ring_(ring), shared_(shared) {}

  __device__ __forceinline__ void Run() {
    KeyPlace keys;
    ValuePlace values;
    while (true) {
      WaitForPhase(ring_.FullKeys(keys), keys.parity);
      const StreamChunk chunk = ring_.Chunk(keys);
      if (chunk.row == kNoRow) break;
      Attend(chunk, keys, values);
      keys.Advance();
      values.Advance();
    }
    By::Sync();
    ConcludeLast();
  }

 private:
  __device__ __forceinline__ void Attend(const StreamChunk& chunk, const KeyPlace& keys,
                                         const ValuePlace& values) {
    const int half = 1 - half_;
    float* const scores = shared_.scores[half];
    Score<S::kOperand, typename S::KeyTurns, S::KeyTurns::kTurns>(
        0, chunk.keys, QueryAt(keys), scores,
        [&](int turn) { return Read<typename S::KeyTurns>(ring_.Keys(keys), a_.d_key, turn); });
    Release(ring_.EmptyKeys(keys));
    By::Sync();  // all scores, and all sums of the chunk before, are there
    ConcludeLast();
    last_ = chunk;
    half_ = half;
    largest_ = LargestScore(scores, chunk.keys);
    WaitForPhase(ring_.FullValues(values), values.parity);
    const VectorSums sums = Weigh<S::kOperand, typename S::ValueTurns, S::ValueTurns::kTurns>(
        VectorSums(), 0, chunk.keys, scores, largest_, [&](int turn) {
          return Read<typename S::ValueTurns>(ring_.Values(values), a_.d_value, turn);
        });
    const int warp = By::Thread() / 32;
    ShareSums<S::kValueLanes>(sums, Reads<typename S::ValueTurns>(a_.d_value),
                              shared_.sums[half][warp], shared_.weights[half] + warp);
    Release(ring_.EmptyValues(values));
  }

  __device__ __forceinline__ VectorQuery<S::kKeyLanes> QueryAt(const KeyPlace& keys) const {
    const auto* const from =
        reinterpret_cast<const float4*>(ring_.Query(keys)) + threadIdx.x % S::kKeyLanes * 2;
    const bool used = Reads<typename S::KeyTurns>(a_.d_key);
    const float4 zero = make_float4(0, 0, 0, 0);
    return VectorQuery<S::kKeyLanes>(a_, used ? from[0] : zero, used ? from[1] : zero);
  }

  // Whether the lane has a vector of rows of `width` elements.
  template <class Turns>
  __device__ __forceinline__ bool Reads(int width) const {
    return static_cast<int>(threadIdx.x) % Turns::kLanes * kVector < width;
  }
  // That of turn `turn`; zeros where it has none, anything where the chunk has no such key.
  template <class Turns>
  __device__ __forceinline__ uint4 Read(const std::byte* rows, int width, int turn) const {
    if (!Reads<Turns>(width)) return make_uint4(0, 0, 0, 0);
    const int row = turn * Turns::kGroups + By::Thread() / Turns::kLanes;
    return reinterpret_cast<const uint4*>(
        rows)[row * (width / kVector) + static_cast<int>(threadIdx.x) % Turns::kLanes];
  }

  // The warp has used what it has read of a stage.
  __device__ __forceinline__ void Release(uint32_t empty) const {
    __syncwarp();
    if (threadIdx.x % 32 == 0) cuda::Arrive(empty);
  }

  // Adds up the last chunk's sums over the warps, and behind the team's last chunk of a query all
  // of the query's shares. After a barrier.
  __device__ __forceinline__ void ConcludeLast() {
    if (last_.row == kNoRow) return;
    Query query;
    query.row = last_.row;
    query.head = last_.head;
    query.keys = last_.query_keys;
    query.chunks = (query.keys + kAttentionChunk - 1) / kAttentionChunk;
    const bool keeps = last_.teams == 1 && query.chunks <= kMostKeptShares;
    float* const kept = ring_.Kept();
    float sum = 0;
#pragma unroll
    for (int w = 0; w < S::kWarps; ++w) sum += shared_.weights[half_][w];
    WriteShare<S::kOperand, By>(a_, query, last_.chunk, largest_, sum,
                                keeps ? kept : SharesOf(a_, query), [&](int i) {
                                  float value = 0;
#pragma unroll
                                  for (int w = 0; w < S::kWarps; ++w) {
                                    value += shared_.sums[half_][w][i];
                                  }
                                  return value;
                                });
    if (!last_.last || query.chunks <= 1) return;
    if (!keeps) return attention::Arrive<S::kOperand, By>(a_, query, last_.teams);
    By::Sync();
    Combine<S::kOperand, By>(a_, query, kept, [&](int i) { return kept[i]; });
  }

  const DecodeAttention& a_;
  const StreamRing& ring_;
  Shared& shared_;
  StreamChunk last_;   // that was attended to
  float largest_ = 0;  // its largest score
  int half_ = 0;       // of shared_, that it has
};

// Grid: blocks. The last warps fetch, one for each team.
template <class S>
__global__ void __launch_bounds__(S::kThreads, 1)
    StreamAttentionKernel(const __grid_constant__ DecodeAttention a,
                          const __grid_constant__ StreamSizes sizes) {
#if __CUDA_ARCH__ >= 900
  __shared__ typename S::Shared shared[S::kTeams];
  extern __shared__ __align__(128) std::byte stream_memory[];  // a name of its own: alignment
  LetNextGridStart();
  constexpr int kAttending = S::kTeams * S::kTeamThreads;
  const int thread = static_cast<int>(threadIdx.x);
  const bool fetches = thread >= kAttending;
  const int team = fetches ? (thread - kAttending) / 32 : thread / S::kTeamThreads;
  const StreamRing ring(sizes, stream_memory, team);
  if (fetches && thread % 32 == 0) ring.Prepare(S::kWarps);
  const RowEnds rows(sizes, stream_memory);
  rows.Prepare(a);
  if (fetches) {
    const int teams = static_cast<int>(gridDim.x) * S::kTeams;
    StreamSource(a, ring, rows, static_cast<int>(blockIdx.x) * S::kTeams + team, teams).Run();
  } else {
    AttentionStream<S>(a, ring, shared[team]).Run();
  }
#endif
}

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_STREAM_CUH_
