// A query's chunks of keys and values as a stream through shared memory.
//
// For many queries, where bandwidth counts: a block takes a stretch of a query's chunks, one after
// the other. The next chunk's keys are copied as soon as those of this one have been read, then its
// values. Every thread reads what it has copied itself, so that a chunk costs one barrier, that of
// its scores; its sums are added up over the warps behind the next chunk's. Order of sums as in
// attention_early.cuh.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_STREAM_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_STREAM_CUH_

#include <cstddef>

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/attention_vectors.cuh"
#include "engine/cuda/kernels/launch.h"

namespace strided::cuda::attention {

// The keys (or values) of a chunk in shared memory. A thread copies and reads vectors of its own
// alone, so that its copies need no barrier.
template <class Turns>
struct SharedVectors {
  static constexpr int kBytes = Turns::kTurns * Turns::kThreads * 16;

  VectorRows from;
  std::byte* own;  // the thread's vector of turn 0

  __device__ __forceinline__ std::byte* Place(int turn) const {
    return own + turn * (Turns::kThreads * 16);
  }
  // Copies the thread's vectors of the chunk's keys, but not key `without`.
  __device__ __forceinline__ void Copy(const int* rows, int keys, int without) const {
    if (!from.used) return;
    const int group = threadIdx.x / Turns::kLanes;
#pragma unroll
    for (int turn = 0; turn < Turns::kTurns; ++turn) {
      const int key = turn * Turns::kGroups + group;
      if (key < keys && key != without) {
        CopyAsync(SharedAddress(Place(turn)), from.At(rows[key]), /*valid=*/true);
      }
    }
  }
  // Copies key `key` alone.
  __device__ __forceinline__ void CopyOne(const int* rows, int key) const {
    if (key % Turns::kGroups != threadIdx.x / Turns::kLanes || !from.used) return;
    CopyAsync(SharedAddress(Place(key / Turns::kGroups)), from.At(rows[key]), /*valid=*/true);
  }
  // Zeros where the lane has no vector; anything where the chunk has no such key.
  __device__ __forceinline__ uint4 Read(int turn) const {
    if (!from.used) return make_uint4(0, 0, 0, 0);
    return *reinterpret_cast<const uint4*>(Place(turn));
  }
};

template <Operand kOperandOf, int kWarpsOf, int kKeyLanes, int kValueLanes>
class AttentionStream {
 public:
  static constexpr Operand kOperand = kOperandOf;
  static constexpr int kWarps = kWarpsOf;
  using KeyTurns = VectorTurns<kWarps, kKeyLanes>;
  using ValueTurns = VectorTurns<kWarps, kValueLanes>;
  using Keys = SharedVectors<KeyTurns>;
  using Values = SharedVectors<ValueTurns>;
  static constexpr int kVectorBytes = Keys::kBytes + Values::kBytes;
  static_assert(32 * kWarps >= kAttentionChunk, "a thread lists the row of a key");

  // What its threads share beside the vectors. Two of what is read while the next is written.
  struct Shared {
    int rows[2][kAttentionChunk];
    float scores[2][kAttentionChunk];
    float weights[2][kWarps];
    __align__(16) float sums[2][kWarps][kValueLanes * kVector];
  };

  // `memory`: kVectorBytes, then, where a block takes all of a query's chunks, room for their
  // shares.
  __device__ AttentionStream(const DecodeAttention& a, Shared& shared, std::byte* memory)
      : a_(a), shared_(shared), kept_(reinterpret_cast<float*>(memory + kVectorBytes)) {
    busy_ = FindQuery(a, 2, query_);
    if (!busy_) return;
    const int chunks = max(query_.chunks, 1);
    blocks_ = min(static_cast<int>(gridDim.x), chunks);
    const int block = blockIdx.x;
    busy_ = block < blocks_;
    first_ = chunks * block / blocks_;
    end_ = chunks * (block + 1) / blocks_;
    own_key_ = query_.layout.OwnKey(query_.position);
    std::byte* const own = memory + threadIdx.x * 16;
    keys_ = {VectorRowsOf<kKeyLanes>(query_.keys_at, a.d_key), own};
    values_ = {VectorRowsOf<kValueLanes>(query_.values_at, a.d_value), own + Keys::kBytes};
  }

  __device__ bool busy() const { return busy_; }

  // Copies the first chunk, but for the query's own key and value, which the grid before writes.
  __device__ __forceinline__ void Begin() {
    List(first_);
    __syncthreads();
    const int own = own_key_ - first_ * kAttentionChunk;
    CopyKeys(first_, own);
    CopyValues(first_, own);
    if (a_.next_heads != nullptr && threadIdx.x < kAttentionChunk) {
      PrefetchNext(a_, query_, 2, first_ * kAttentionChunk + static_cast<int>(threadIdx.x));
    }
  }

  // The rest, after the wait.
  __device__ __forceinline__ void Finish() {
    const VectorQuery<kKeyLanes> query(a_, query_, keys_.from.used);
    CopyOwn();
    for (int chunk = first_; chunk < end_; ++chunk) Attend(chunk, query);
    __syncthreads();
    Conclude(end_ - 1);
    if (query_.chunks <= 1) return;
    if (blocks_ > 1) return Arrive<kOperand>(a_, query_, blocks_);
    __syncthreads();
    Combine<kOperand>(a_, query_, kept_, [&](int i) { return kept_[i]; });
  }

 private:
  __device__ __forceinline__ int* RowsOf(int chunk) const {
    return shared_.rows[(chunk - first_) % 2];
  }

  __device__ __forceinline__ void List(int chunk) {
    if (chunk < end_) ListRows(query_, chunk, RowsOf(chunk));
  }
  // But not the chunk's key number `without`. A group of copies each, if only an empty one.
  __device__ __forceinline__ void CopyKeys(int chunk, int without) {
    if (chunk < end_) {
      keys_.Copy(RowsOf(chunk), query_.KeysOf(chunk), without);
    }
    CommitCopies();
  }
  __device__ __forceinline__ void CopyValues(int chunk, int without) {
    if (chunk < end_) {
      values_.Copy(RowsOf(chunk), query_.KeysOf(chunk), without);
    }
    CommitCopies();
  }
  __device__ __forceinline__ void CopyOwn() {
    const int chunk = own_key_ / kAttentionChunk;
    if (own_key_ < 0 || chunk != first_) return;
    const int key = own_key_ % kAttentionChunk;
    keys_.CopyOne(RowsOf(chunk), key);
    values_.CopyOne(RowsOf(chunk), key);
    CommitCopies();
    WaitForCopies<0>();
  }

  __device__ __forceinline__ void Attend(int chunk, const VectorQuery<kKeyLanes>& query) {
    constexpr int kNewer = 1;  // groups of copies than the one waited for
    const int half = (chunk - first_) % 2;
    const int keys = query_.KeysOf(chunk);
    float* const scores = shared_.scores[half];
    List(chunk + 1);
    WaitForCopies<kNewer>();
    Score<kOperand, KeyTurns, KeyTurns::kTurns>(0, keys, query, scores,
                                                [&](int turn) { return keys_.Read(turn); });
    __syncthreads();  // all scores, and all sums of the chunk before, are there
    CopyKeys(chunk + 1, -1);
    if (chunk > first_) Conclude(chunk - 1);
    largest_ = LargestScore(scores, keys);
    WaitForCopies<kNewer>();
    const VectorSums sums = Weigh<kOperand, ValueTurns, ValueTurns::kTurns>(
        VectorSums(), 0, keys, scores, largest_, [&](int turn) { return values_.Read(turn); });
    CopyValues(chunk + 1, -1);
    const int warp = threadIdx.x / 32;
    ShareSums<kValueLanes>(sums, values_.from.used, shared_.sums[half][warp],
                           shared_.weights[half] + warp);
  }

  // Adds up a chunk's sums over the warps, after a barrier.
  __device__ __forceinline__ void Conclude(int chunk) {
    const int half = (chunk - first_) % 2;
    float sum = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) sum += shared_.weights[half][w];
    float* const shares = blocks_ > 1 ? SharesOf(a_, query_) : kept_;
    WriteShare<kOperand>(a_, query_, chunk, largest_, sum, shares, [&](int i) {
      float value = 0;
#pragma unroll
      for (int w = 0; w < kWarps; ++w) value += shared_.sums[half][w][i];
      return value;
    });
  }

  const DecodeAttention& a_;
  Shared& shared_;
  float* const kept_;
  Query query_;
  bool busy_ = false;
  int blocks_ = 1;  // that share the query's chunks
  int first_ = 0;   // chunks first_ <= c < end_ are the block's
  int end_ = 0;
  int own_key_ = -1;
  Keys keys_;
  Values values_;
  float largest_ = 0;  // score of the last chunk
};

// Grid: (blocks of a query, heads, rows).
template <class Stream>
__global__ void __launch_bounds__(32 * Stream::kWarps)
    StreamAttentionKernel(const __grid_constant__ DecodeAttention a) {
  __shared__ typename Stream::Shared shared;
  extern __shared__ __align__(16) std::byte memory[];
  LetNextGridStart();
  Stream stream(a, shared, memory);
  if (stream.busy()) stream.Begin();
  WaitForGridBefore();
  if (stream.busy()) stream.Finish();
}

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_STREAM_CUH_
