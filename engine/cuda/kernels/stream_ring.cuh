// What an attention stream's warps share (attention_stream.cuh): a team's ring of chunks, and where
// the rows' keys are among all.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_STREAM_RING_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_STREAM_RING_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/stream_sizes.h"

namespace strided::cuda::attention {

inline constexpr int kNoRow = -1;

// A chunk of keys, as its stage of the ring has it.
struct StreamChunk {
  int row = kNoRow;  // kNoRow: none, and none comes after it
  int head = 0;
  int chunk = 0;       // of the query's
  int keys = 0;        // of the chunk
  int query_keys = 0;  // of the query
  int teams = 1;       // that have chunks of the query
  bool last = false;   // the team's last of the query
};
static_assert(sizeof(StreamChunk) <= kStreamChunkBytes);

// A stage of a ring, and the parity of how often it has been used before.
template <int kStages>
struct StreamPlace {
  int stage = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void Advance() {
    stage = (stage + 1) % kStages;
    parity ^= stage == 0 ? 1 : 0;
  }
};
using KeyPlace = StreamPlace<kKeyStages>;
using ValuePlace = StreamPlace<kValueStages>;

// A team's ring. Keys' stages hold the chunk and its query, in float32, as well.
class StreamRing {
 public:
  __device__ __forceinline__ StreamRing(const StreamSizes& sizes, std::byte* memory, int team)
      : sizes_(sizes), memory_(memory + team * sizes.team_bytes) {}

  // By one thread, before a barrier of the block. `readers`: warps that read a stage.
  __device__ __forceinline__ void Prepare(int readers) const {
    for (KeyPlace place; place.stage < kKeyStages; ++place.stage) {
      InitBarrier(FullKeys(place), 1);
      InitBarrier(EmptyKeys(place), readers);
    }
    for (ValuePlace place; place.stage < kValueStages; ++place.stage) {
      InitBarrier(FullValues(place), 1);
      InitBarrier(EmptyValues(place), readers);
    }
    PublishBarriers();
  }

  __device__ __forceinline__ std::byte* Keys(const KeyPlace& place) const {
    return memory_ + place.stage * sizes_.key_bytes;
  }
  __device__ __forceinline__ std::byte* Query(const KeyPlace& place) const {
    return memory_ + sizes_.queries_at + place.stage * sizes_.query_bytes;
  }
  __device__ __forceinline__ StreamChunk& Chunk(const KeyPlace& place) const {
    return *reinterpret_cast<StreamChunk*>(memory_ + sizes_.chunks_at +
                                           place.stage * kStreamChunkBytes);
  }
  __device__ __forceinline__ std::byte* Values(const ValuePlace& place) const {
    return memory_ + sizes_.values_at + place.stage * sizes_.value_bytes;
  }
  // The shares of a query's chunks.
  __device__ __forceinline__ float* Kept() const {
    return reinterpret_cast<float*>(memory_ + sizes_.kept_at);
  }

  // Barriers: a stage's contents are there; they have been read.
  __device__ __forceinline__ uint32_t FullKeys(const KeyPlace& place) const {
    return Barrier(place.stage);
  }
  __device__ __forceinline__ uint32_t EmptyKeys(const KeyPlace& place) const {
    return Barrier(kKeyStages + place.stage);
  }
  __device__ __forceinline__ uint32_t FullValues(const ValuePlace& place) const {
    return Barrier(2 * kKeyStages + place.stage);
  }
  __device__ __forceinline__ uint32_t EmptyValues(const ValuePlace& place) const {
    return Barrier(2 * kKeyStages + kValueStages + place.stage);
  }

 private:
  __device__ __forceinline__ uint32_t Barrier(int index) const {
    return SharedAddress(memory_ + sizes_.barriers_at) + index * 8;
  }

  const StreamSizes& sizes_;
  std::byte* const memory_;
};

// The layer's heads, and where each row's keys end when all are counted.
class RowEnds {
 public:
  __device__ __forceinline__ RowEnds(const StreamSizes& sizes, std::byte* memory)
      : heads_(reinterpret_cast<HeadRows*>(memory + sizes.heads_at)),
        ends_(reinterpret_cast<int*>(memory + sizes.rows_at)) {}

  // By the whole block; with its last barrier all is there.
  __device__ __forceinline__ void Prepare(const DecodeAttention& a) const {
    for (int h = threadIdx.x; h < a.n_head; h += blockDim.x) heads_[h] = a.heads[h];
    __syncthreads();
    for (int r = threadIdx.x; r < a.rows; r += blockDim.x) {
      const DecodeRow state = a.row_states[r];
      int keys = 0;
      for (int h = 0; h < a.n_head; ++h) keys += heads_[h].KeyCount(state.position);
      ends_[r] = state.slot < 0 ? 0 : keys;
    }
    __syncthreads();
    if (threadIdx.x < 32) AddUp(a.rows);
    __syncthreads();
  }

  __device__ __forceinline__ const HeadRows& Head(int head) const { return heads_[head]; }
  __device__ __forceinline__ int Begin(int row) const { return row > 0 ? ends_[row - 1] : 0; }
  __device__ __forceinline__ int End(int row) const { return ends_[row]; }

  // The first of `rows` rows that ends at `key` or later; else the last.
  __device__ __forceinline__ int Find(int64_t key, int rows) const {
    int low = 0;
    int high = rows - 1;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (ends_[middle] >= key) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

 private:
  // By a warp: of counts their sums so far.
  __device__ __forceinline__ void AddUp(int rows) const {
    const int lane = threadIdx.x % 32;
    int before = 0;
    for (int first = 0; first < rows; first += 32) {
      const int r = first + lane;
      int sum = r < rows ? ends_[r] : 0;
#pragma unroll
      for (int distance = 1; distance < 32; distance *= 2) {
        const int lower = __shfl_up_sync(0xFFFFFFFFu, sum, distance);
        sum += lane >= distance ? lower : 0;
      }
      sum += before;
      if (r < rows) ends_[r] = sum;
      before = __shfl_sync(0xFFFFFFFFu, sum, 31);
    }
  }

  HeadRows* const heads_;
  int* const ends_;
};

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_STREAM_RING_CUH_
