// A block's part in its cluster's attention for several rows: each half of its warps has the chunks
// of one query, one after the other, as they come (rows_memory.cuh says which).
//
//   q, k, v (from the cluster's blocks) -> scores | values | -> a share, to the query's home
//   home: shares -> the query's values, to every block
// A query of one chunk needs no home: its half sends the values. Sums are those of
// heads_attention.cuh and heads_combination.cuh.

#ifndef STRIDED_ENGINE_CUDA_GRID_ROWS_ATTENTION_CUH_
#define STRIDED_ENGINE_CUDA_GRID_ROWS_ATTENTION_CUH_

#include <cstdint>

#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/grid/heads_attention.cuh"
#include "engine/cuda/grid/heads_combination.cuh"
#include "engine/cuda/grid/rows_memory.cuh"
#include "engine/cuda/kernels/exponential.cuh"
#include "engine/cuda/kernels/warp_math.cuh"

namespace strided::cuda::grid {

template <class S, class Memory>
class RowsAttention : public HeadsAttention<S, Memory> {
  using Base = HeadsAttention<S, Memory>;
  using H = HeadsSizes<S>;
  using R = typename Memory::R;
  using Traits = OperandTraits<Memory::kOperand>;
  using Base::half_;
  using Base::kPairs;
  using Base::memory_;
  using Base::rank_;
  using Base::thread_;
  using typename Base::Share;
  static constexpr int kFirstHomeWarp = 4;  // of the block's: a warp for each query at home

 public:
  using typename Base::Keys;

  // Of a layer's; `turn`: chunks of the half so far.
  __device__ __forceinline__ RowsAttention(const GridArguments& a, Memory& memory, int thread,
                                           int layer, uint32_t& turn)
      : Base(a, memory, thread),
        layer_(layer),
        plan_(memory.plans[layer % 2].queries[Query()]),
        turn_(turn) {}

  // Bytes of shares that come to block `rank` of the cluster.
  static __device__ __forceinline__ int ShareBytes(const Memory& memory, int layer, int rank) {
    int shares = 0;
#pragma unroll
    for (int i = 0; i < R::kHomed; ++i) {
      const int query = rank + i * kClusterBlocks;
      const int chunks = query < R::kQueries ? memory.plans[layer % 2].queries[query].chunks : 0;
      if (chunks > 1) shares += chunks;
    }
    return shares * (S::kValue + 2) * static_cast<int>(sizeof(float));
  }

  // Before the queries are there: the half's first keys, if it has some.
  __device__ __forceinline__ Keys FirstKeys() const {
    return First() < plan_.chunks ? TakeKeys() : Keys();
  }
  // All the half's chunks of the layer; `keys`: of the first. Requires the queries.
  __device__ __forceinline__ void Attend(Keys keys) {
    const int chunks = plan_.chunks;
    if (chunks == 0 && First() == 0) SendMixed(thread_ / 32, 1, 0);
#pragma unroll 1
    for (int chunk = First(); chunk < chunks;) {
      // What follows from the thread's place is computed anew for each chunk (Forget).
      int thread = half_ * kHalfThreads + thread_;
      Forget(thread);
      RowsAttention(this->a_, memory_, thread, layer_, turn_).AttendChunk(chunk, keys);
      ++turn_;
      chunk += R::kStep;
      if (chunk < chunks) keys = TakeKeys();
    }
  }
  // What shares of queries that are at home here give together. By all threads.
  __device__ __forceinline__ void Combine(cluster::BoundedWait& wait) const {
    const int own = half_ * kHalfWarps + thread_ / 32 - kFirstHomeWarp;
    const int query = rank_ + own * kClusterBlocks;
    if (static_cast<unsigned>(own) >= R::kHomed || query >= R::kQueries) return;
    const int chunks = memory_.plans[layer_ % 2].queries[query].chunks;
    if (chunks < 2) return;
    wait.For(SharedAddress(&memory_.barriers.shares_came), layer_ % 2);
    SendMixedOf(query, 0, kClusterBlocks, Combined(own, chunks));
  }

 private:
  __device__ __forceinline__ int Turn() const { return half_ * kClusterBlocks + rank_; }
  __device__ __forceinline__ int Query() const { return Turn() % R::kQueries; }
  __device__ __forceinline__ int First() const { return Turn() / R::kQueries; }

  // The place of the half's next chunk, and whether what it waits for has come.
  __device__ __forceinline__ int Place() const { return turn_ % R::kPlaces; }
  __device__ __forceinline__ void Await(const uint64_t& barrier) const {
    WaitForPhase(SharedAddress(&barrier), turn_ / R::kPlaces % 2);
  }
  __device__ __forceinline__ void Release(const uint64_t& barrier) const {
    __syncwarp();
    if (thread_ % 32 == 0) Arrive(SharedAddress(&barrier));
  }
  __device__ __forceinline__ int Slot() const { return half_ * R::kPlaces + Place(); }

  // The keys at turn_, once they are there.
  __device__ __forceinline__ Keys TakeKeys() const {
    Await(memory_.barriers.keys_there[half_][Place()]);
    const Keys keys = this->KeysOf(Slot());
    Release(memory_.barriers.keys_read[half_][Place()]);
    return keys;
  }

  __device__ __forceinline__ void AttendChunk(int chunk, Keys& keys) {
    const int query = Query();
    const int first = chunk * kAttentionChunk;
    const int count = min(plan_.keys - first, kAttentionChunk);
    int own = plan_.own - first;
    if (own >= count) own = -1;
    const float* const scores = memory_.scores[half_];
    DecodeAttention scaled;
    scaled.scale = this->a_.scale;
    const attention::VectorQuery<S::kKeyLanes> of_query(scaled, memory_.exchange.query[query]);
    if (own >= 0) this->PutOwn(query, own, keys);
    this->Score(count, keys, of_query);
    uint2 values[Base::kTurns];
    Await(memory_.barriers.values_there[half_][Place()]);
    this->LoadValues(Slot(), query, count, own, values);
    Release(memory_.barriers.values_read[half_][Place()]);
    this->Sync();
    const float largest = attention::LargestScore(scores, count);
    this->Weigh(count, values, largest);
    this->Sync();
    Send(chunk, largest);
  }

  // One chunk of the query's to its home, or all there is to all blocks, by a warp to each.
  __device__ __forceinline__ void Send(int chunk, float largest) const {
    const int warp = thread_ / 32;
    const int query = Query();
    if (plan_.chunks > 1) {
      if (warp != 0) return;
      const int home = query % kClusterBlocks;
      this->SendShareTo(memory_.exchange.shares[query / kClusterBlocks][chunk], home,
                        this->SumOfWarps(), largest);
      return;
    }
    const Share share = this->SumOfWarps();
    const float inverse = 1.0f / share.weights;
    SendMixed(warp, 1, Traits::Pack(share.values.x * inverse, share.values.y * inverse));
  }
  // Of each of the first kPairs lanes two values of the query, to `count` blocks from `block` on.
  __device__ __forceinline__ void SendMixed(int block, int count, uint32_t pair) const {
    SendMixedOf(Query(), block, count, pair);
  }
  __device__ __forceinline__ void SendMixedOf(int query, int block, int count,
                                              uint32_t pair) const {
    const int lane = thread_ % 32;
    if (lane >= kPairs) return;
    const uint32_t to = SharedAddress(
        &memory_.exchange.mixed[query / H::kHeads][query % H::kHeads * S::kValue + 2 * lane]);
    const uint32_t barrier = SharedAddress(&memory_.barriers.mixed_came);
#pragma unroll 1
    for (int i = 0; i < count; ++i) {
      const auto there = static_cast<uint32_t>(block + i);
      cluster::Send(cluster::AddressIn(to, there), pair, cluster::AddressIn(barrier, there));
    }
  }

  // The lane's two values of the block's query `own`.
  __device__ __forceinline__ uint32_t Combined(int own, int chunks) const {
    const int lane = thread_ % 32;  // also the chunk whose weight it knows
    const int at = 2 * lane % S::kValue;
    const auto& shares = memory_.exchange.shares[own];
    const float2 of_lane = lane < chunks
                               ? *reinterpret_cast<const float2*>(shares[lane] + S::kValue)
                               : make_float2(-INFINITY, 0.0f);
    const float weight = Exp2(of_lane.x - WarpMax(of_lane.x));
    const float2 value = CombineShares(of_lane, weight, 0, chunks, chunks,
                                       [&](int chunk) { return shares[chunk] + at; });
    return Traits::Pack(value.x, value.y);
  }

  const int layer_;
  const QueryPlan& plan_;  // of the half's query
  uint32_t& turn_;
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_ROWS_ATTENTION_CUH_
