// A block's part in attention: chunks of queries' keys, dealt to the blocks of the grid.
//
//   q, k, v -> scores | values | -> mixed, or the chunk's share
//   shares of a query's chunks -> mixed, by the block that has the first of them
// A bar is a barrier of the block. Sums are those of attention_early.cuh, whose lanes of values are
// several threads here, each with some of a lane's elements; those of several chunks as Combine
// adds them (attention_chunk.cuh). A block's first chunk of a layer, but for the query's own key,
// is in shared memory before its query comes. Every chunk waits for its query, also where it has no
// keys: see cells.cuh.

#ifndef STRIDED_ENGINE_CUDA_GRID_ATTENTION_BLOCK_CUH_
#define STRIDED_ENGINE_CUDA_GRID_ATTENTION_BLOCK_CUH_

#include <cstdint>

#include "engine/cuda/grid/cells.cuh"
#include "engine/cuda/grid/shared_query.cuh"
#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/attention_vectors.cuh"
#include "engine/cuda/kernels/warp_math.cuh"

namespace strided::cuda::grid {

template <class S>
struct AttentionTurns {
  using Keys = attention::VectorTurns<kWarps, S::kKeyLanes>;
  // As decode attention has them.
  using Values = attention::VectorTurns<S::kValueWarps, S::kValueLanes>;
};

template <class S, Operand kOperand>
struct AttentionMemory {
  using Turns = AttentionTurns<S>;

  // [turn][lane's vector]
  uint4 keys[Turns::Keys::kTurns][Turns::Keys::kThreads];
  union {
    uint4 values[Turns::Values::kTurns][Turns::Values::kThreads];
    typename SharedQuery<S>::Shares shares;  // behind the block's last values
  };
  __align__(16) float query[S::kKey];
  int rows[kAttentionChunk];  // of the keys, in the cache
  float scores[kAttentionChunk];
  float weights[S::kValueWarps];  // sums of a warp's
  float sums[S::kValueWarps][S::kValue];
};

template <class S, Operand kOperand>
class AttentionBlock {
 public:
  using Memory = AttentionMemory<S, kOperand>;

  __device__ __forceinline__ AttentionBlock(const GridArguments& a, Memory& memory,
                                            const Wait& wait)
      : a_(a),
        memory_(memory),
        thread_(threadIdx.x),
        first_(static_cast<int>(gridDim.x - 1 - blockIdx.x)),
        queries_(a.rows * a.n_head),
        wait_(wait) {}

  // Asks for the keys and values of the block's first chunk of the layer.
  __device__ __forceinline__ void Fetch(int layer) {
    if (layer < a_.n_layer && first_ < queries_ * a_.chunks) FetchChunk(layer, first_);
    CommitCopies();
  }

  // The block's chunks of the layer, and queries that it combines. Requires Fetch of the layer, and
  // kCopiesAfter commits after it.
  template <int kCopiesAfter>
  __device__ __forceinline__ void Run(int layer, uint32_t tag) {
    const int chunks = queries_ * a_.chunks;
    if (first_ >= chunks) return;
    Forget(thread_);
    const LayerCells<S> cells(a_, layer);
    const int shares = first_ < queries_ ? chunks_ : 0;  // of a query that the block combines
    WaitForCopies<kCopiesAfter>();
#pragma unroll 1
    for (int chunk = first_;;) {
      if (chunk < queries_ || count_ > 0) Attend(cells, layer, tag);
      chunk += static_cast<int>(gridDim.x);
      if (chunk >= chunks) break;
      FetchChunk(layer, chunk);
      CommitCopies();
      WaitForCopies<0>();
    }
    Forget(thread_);
    if (shares <= 1) return;
    const int row = first_ / a_.n_head;
    const int head = first_ % a_.n_head;
    SharedQuery<S> query(memory_.shares, shares, thread_);
    query.Await(cells.Share(row, head, 0), tag, wait_);
    __syncthreads();
    if (thread_ >= S::kValue) return;
    const float mixed = query.Combine();
    const float next = __shfl_down_sync(0xFFFFFFFFu, mixed, 1);
    if (thread_ % 2 != 0) return;
    Send(cells.Mixed(row) + OperandCell(head * S::kValue + thread_), Traits::Pack(mixed, next),
         tag);
  }

 private:
  using Traits = OperandTraits<kOperand>;
  using Type = typename Traits::Type;
  using KeyTurns = typename AttentionTurns<S>::Keys;
  using ValueTurns = typename AttentionTurns<S>::Values;
  // Threads that share a lane's vector of a value, and their elements of it.
  static constexpr int kParts = kThreads / ValueTurns::kThreads;
  static constexpr int kPart = attention::kVector / kParts;

  // Chunk `index` of the layer, of all queries' first chunks, then all their second ones and so on.
  __device__ __forceinline__ void FetchChunk(int layer, int index) {
    Forget(thread_);
    DecodeAttention attention;
    attention.row_states = a_.row_states;
    attention.sequences = a_.sequences;
    attention.heads = a_.heads + layer * a_.n_head;
    attention.first_head = layer * a_.n_head;
    attention.n_head = a_.n_head;
    attention.d_key = S::kKey;
    const int of_queries = index % queries_;
    chunk_ = index / queries_;
    row_ = of_queries / a_.n_head;
    head_ = of_queries % a_.n_head;
    attention::Query query;
    const bool busy = attention::FindQueryOf(attention, sizeof(Type), row_, head_, query);
    chunks_ = query.chunks;
    count_ = busy ? max(query.KeysOf(chunk_), 0) : 0;
    own_ = busy ? query.layout.OwnKey(query.position) - chunk_ * kAttentionChunk : -1;
    if (own_ >= count_) own_ = -1;
    __syncthreads();  // the chunk before is done with
    if (count_ == 0) return;
    attention::ListRows(query, chunk_, memory_.rows);
    __syncthreads();
    Copy<KeyTurns>(query.keys_at, S::kKey, memory_.keys);
    Copy<ValueTurns>(query.values_at, S::kValue, memory_.values);
  }

  // Of the chunk's rows, but not the query's own; zeros beyond them.
  template <class Turns>
  __device__ __forceinline__ void Copy(const std::byte* rows, int width,
                                       uint4 (&to)[Turns::kTurns][Turns::kThreads]) const {
    constexpr int kVectors = Turns::kTurns * Turns::kThreads;
    const auto* const from = reinterpret_cast<const uint4*>(rows) + thread_ % Turns::kLanes;
#pragma unroll
    for (int i = 0; i < kVectors / kThreads; ++i) {
      const int key = (i * kThreads + thread_) / Turns::kLanes;
      if (key == own_) continue;
      const int row = key < count_ ? memory_.rows[key] : 0;
      CopyAsync(SharedAddress(&to[0][0] + i * kThreads + thread_),
                from + static_cast<uint32_t>(row * (width / attention::kVector)), key < count_);
    }
  }

  __device__ __forceinline__ void Attend(const LayerCells<S>& cells, int layer, uint32_t tag) {
    if (layer > 0) AwaitSign(LayerCells<S>(a_, layer - 1).Done(row_), tag - 1, wait_);
    AwaitQuery(cells, tag);
    __syncthreads();
    DecodeAttention scaled;
    scaled.scale = a_.scale;
    const attention::VectorQuery<S::kKeyLanes> query(scaled, memory_.query);
    attention::Score<kOperand, KeyTurns, KeyTurns::kTurns>(
        0, count_, query, memory_.scores, [&](int i) { return memory_.keys[i][thread_]; });
    __syncthreads();
    const float largest = attention::LargestScore(memory_.scores, count_);
    Weigh(largest);
    __syncthreads();
    if (chunks_ <= 1) {
      SendMixed(cells, tag);
    } else {
      SendShare(cells, largest, tag);
    }
  }

  // To shared memory, with its own key and value where the chunk has it.
  __device__ __forceinline__ void AwaitQuery(const LayerCells<S>& cells, uint32_t tag) {
    const int wanted = (own_ >= 0 ? S::kHead : S::kKey) / 2;
    static_assert(S::kHead / 2 <= kThreads);
    if (thread_ >= wanted) return;
    CellPair pair[1];
    const Cell* const from = cells.Qkv(row_) + head_ * S::kHead + thread_ * 2;
    AwaitPairs(
        pair, [&](int) { return from; }, [](int) { return true; }, tag, wait_);
    const int at = thread_ * 2;
    if (at < S::kKey) {
      *reinterpret_cast<float2*>(memory_.query + at) =
          make_float2(__uint_as_float(pair[0].first), __uint_as_float(pair[0].second));
      return;
    }
    // Vectors of a key's lanes follow each other, and a key's those of the key before.
    const uint32_t both = (pair[0].first & 0xFFFFu) | pair[0].second << 16;
    const bool is_key = at < 2 * S::kKey;
    auto* const to =
        is_key ? reinterpret_cast<uint32_t*>(&memory_.keys[0][0] + own_ * S::kKeyLanes)
               : reinterpret_cast<uint32_t*>(&memory_.values[0][0] + own_ * S::kValueLanes);
    to[(at - (is_key ? 1 : 2) * S::kKey) / 2] = both;
  }

  // The sums of each of kValueWarps warps, in as many groups of kParts.
  __device__ __forceinline__ void Weigh(float largest) {
    const int lane = thread_ % 32;
    const int warp = thread_ / 32 % S::kValueWarps;
    const int part = thread_ / 32 / S::kValueWarps;
    float values[kPart] = {};
    float weights = 0;
#pragma unroll
    for (int i = 0; i < ValueTurns::kTurns; ++i) {
      const int at = i * ValueTurns::kGroups + (warp * 32 + lane) / S::kValueLanes;
      const float weight = at < count_ ? Exp2(memory_.scores[at] - largest) : 0.0f;
      const auto* const words =
          reinterpret_cast<const uint32_t*>(&memory_.values[i][warp * 32 + lane]) +
          part * (kPart / 2);
#pragma unroll
      for (int j = 0; j < kPart; j += 2) {
        const float2 pair = Traits::Unpack(words[j / 2]);
        values[j] = fmaf(weight, pair.x, values[j]);
        values[j + 1] = fmaf(weight, pair.y, values[j + 1]);
      }
      weights += weight;
    }
#pragma unroll
    for (int distance = 16; distance >= S::kValueLanes; distance /= 2) {
#pragma unroll
      for (int j = 0; j < kPart; ++j) {
        values[j] += __shfl_xor_sync(0xFFFFFFFFu, values[j], distance);
      }
      weights += __shfl_xor_sync(0xFFFFFFFFu, weights, distance);
    }
    if (lane >= S::kValueLanes) return;
#pragma unroll
    for (int j = 0; j < kPart; ++j) {
      memory_.sums[warp][lane * attention::kVector + part * kPart + j] = values[j];
    }
    if (lane == 0) memory_.weights[warp] = weights;  // alike in all parts
  }

  // What the chunk's warps have of weights, or of value i, in their order.
  __device__ __forceinline__ float Weights() const {
    float sum = 0;
#pragma unroll
    for (int w = 0; w < S::kValueWarps; ++w) sum += memory_.weights[w];
    return sum;
  }
  __device__ __forceinline__ float Value(int i) const {
    float sum = 0;
#pragma unroll
    for (int w = 0; w < S::kValueWarps; ++w) sum += memory_.sums[w][i];
    return sum;
  }

  __device__ __forceinline__ void SendMixed(const LayerCells<S>& cells, uint32_t tag) const {
    if (thread_ >= S::kValue / 2) return;
    const float inverse = count_ > 0 ? 1.0f / Weights() : 0.0f;
    const int i = thread_ * 2;
    Send(cells.Mixed(row_) + OperandCell(head_ * S::kValue + i),
         Traits::Pack(Value(i) * inverse, Value(i + 1) * inverse), tag);
  }

  __device__ __forceinline__ void SendShare(const LayerCells<S>& cells, float largest,
                                            uint32_t tag) const {
    Cell* const to = cells.Share(row_, head_, chunk_) + thread_;
    if (thread_ < S::kValue) Send(to, Value(thread_), tag);
    if (thread_ == S::kValue) Send(to, largest, tag);
    if (thread_ == S::kValue + 1) Send(to, Weights(), tag);
  }

  const GridArguments& a_;
  Memory& memory_;
  int thread_;
  const int first_;    // the block's first chunk of a layer; also its place from the last on
  const int queries_;  // rows * heads
  Wait wait_;
  // The chunk that the block has.
  int row_ = 0;
  int head_ = 0;
  int chunks_ = 0;  // of its query
  int chunk_ = 0;   // which of its chunks
  int count_ = 0;   // of keys
  int own_ = -1;    // the query's own among them, if it is
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_ATTENTION_BLOCK_CUH_
