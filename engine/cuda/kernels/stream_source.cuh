// The warp that asks for the chunks of a team of an attention stream (attention_stream.cuh).

#ifndef STRIDED_ENGINE_CUDA_KERNELS_STREAM_SOURCE_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_STREAM_SOURCE_CUH_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"
#include "engine/cuda/kernels/key_shares.h"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/stream_ring.cuh"

namespace strided::cuda::attention {

// Fills the ring of team `team` of `teams` with its chunks, in order, and says where they end. By a
// warp.
class StreamSource {
 public:
  __device__ __forceinline__ StreamSource(const DecodeAttention& a, const StreamRing& ring,
                                          const RowEnds& rows, int team, int teams)
      : a_(a),
        ring_(ring),
        rows_(rows),
        lane_(static_cast<int>(threadIdx.x) % 32),
        team_(team),
        shares_(KeyShares::Of(rows.End(a.rows - 1), teams)),
        range_(KeyRange::Of(shares_, team)) {}

  __device__ __forceinline__ void Run() {
    if (team_ < shares_.teams) {
      for (int row = rows_.Find(range_.begin, a_.rows);
           row < a_.rows && rows_.Begin(row) < range_.end; ++row) {
        PutRow(row);
      }
    }
    if (!waited_) Wait();
    WaitForPhase(ring_.EmptyKeys(place_), place_.parity ^ 1);
    if (lane_ == 0) {
      ring_.Chunk(place_).row = kNoRow;
      cuda::Arrive(ring_.FullKeys(place_));
    }
  }

 private:
  // The row's queries that have chunks in the team's range.
  __device__ __forceinline__ void PutRow(int row) {
    const DecodeRow state = a_.row_states[row];
    if (state.slot < 0) return;
    int64_t begin = rows_.Begin(row);
#pragma unroll 1
    for (int head = 0; head < a_.n_head; ++head) {
      const int keys = rows_.Head(head).KeyCount(state.position);
      const ChunkRange chunks = ChunkRange::Of(range_, begin, keys);
      if (chunks.first < chunks.end) PutQuery(row, head, begin, chunks);
      begin += keys;
    }
  }

  __device__ __forceinline__ void PutQuery(int row, int head, int64_t begin,
                                           const ChunkRange& range) {
    Query query;
    FindQueryOf(a_, 2, row, head, rows_.Head(head), query);
    const KeyStretches rows = query.layout.StretchesOf(query.position, query.length);
    const int own = query.layout.OwnKey(query.position);
    const int chunks = ChunkRange::Chunks(query.keys);
    StreamChunk chunk;
    chunk.row = row;
    chunk.head = head;
    chunk.query_keys = query.keys;
    if (range.end - range.first < chunks) {
      const int last = (chunks - 1) * kAttentionChunk;
      chunk.teams = shares_.Owner(begin + last) - shares_.Owner(begin) + 1;
    }
#pragma unroll 1
    for (int c = range.first; c < range.end; ++c) {
      chunk.chunk = c;
      chunk.keys = query.KeysOf(c);
      chunk.last = c + 1 == range.end;
      // The query's own key is written by the grid before this one. More than the ring holds is not
      // read before that, for it takes the query.
      const int own_here = own - c * kAttentionChunk;
      const bool has_own = own_here >= 0 && own_here < chunk.keys;
      if (!waited_ && (has_own || filled_ == std::min(kKeyStages, kValueStages))) Wait();
      Put(query, rows, chunk);
    }
  }

  __device__ __forceinline__ void Put(const Query& query, const KeyStretches& rows,
                                      const StreamChunk& chunk) {
    const int key_row = a_.d_key * 2;
    const int value_row = a_.d_value * 2;
    const uint32_t full_keys = ring_.FullKeys(place_);
    WaitForPhase(ring_.EmptyKeys(place_), place_.parity ^ 1);
    if (lane_ == 0) {
      ring_.Chunk(place_) = chunk;
      Expect(full_keys, chunk.keys * key_row + a_.d_key * 4);
    }
    __syncwarp();
    CopyRows(query, rows, chunk, ring_.Keys(place_), query.keys_at, key_row, full_keys);
    if (waited_) CopyQuery(place_, chunk);
    const uint32_t full_values = ring_.FullValues(values_);
    WaitForPhase(ring_.EmptyValues(values_), values_.parity ^ 1);
    if (lane_ == 0) Expect(full_values, chunk.keys * value_row);
    __syncwarp();
    CopyRows(query, rows, chunk, ring_.Values(values_), query.values_at, value_row, full_values);
    place_.Advance();
    values_.Advance();
    ++filled_;
  }

  // The chunk's rows of `row_bytes` each.
  __device__ __forceinline__ void CopyRows(const Query& query, const KeyStretches& rows,
                                           const StreamChunk& chunk, std::byte* to,
                                           const std::byte* from, int row_bytes,
                                           uint32_t full) const {
    const int first = chunk.chunk * kAttentionChunk;
    const int end = first + chunk.keys;
    const auto copy = [&](int key, int64_t row, int count) {
      if (count <= 0) return;
      cluster::CopyBulk(SharedAddress(to + (key - first) * row_bytes), from + row * row_bytes,
                        count * row_bytes, full);
    };
    if (rows.straight) {
      if (lane_ != 0) return;
      const int split = min(max(rows.split, first), end);
      copy(first, first, split - first);
      copy(split, split + rows.jump, end - split);
      return;
    }
    for (int key = first + lane_; key < end; key += 32) {
      copy(key, query.layout.KeyRow(query.position, key, query.length), 1);
    }
  }

  // After the wait.
  __device__ __forceinline__ void CopyQuery(const KeyPlace& place, const StreamChunk& chunk) const {
    if (lane_ != 0) return;
    const int64_t index = static_cast<int64_t>(chunk.row) * a_.n_head + chunk.head;
    cluster::CopyBulk(SharedAddress(ring_.Query(place)),
                      reinterpret_cast<const std::byte*>(a_.queries + index * a_.d_key),
                      a_.d_key * 4, ring_.FullKeys(place));
  }

  // For the grid before, then the queries of the chunks so far.
  __device__ __forceinline__ void Wait() {
    WaitForGridBefore();
    cluster::FenceAsyncGlobal();
    waited_ = true;
    for (KeyPlace place; place.stage < filled_; ++place.stage) {
      CopyQuery(place, ring_.Chunk(place));
    }
  }

  const DecodeAttention& a_;
  const StreamRing& ring_;
  const RowEnds& rows_;
  const int lane_;
  const int team_;
  const KeyShares shares_;
  const KeyRange range_;
  KeyPlace place_;
  ValuePlace values_;
  int filled_ = 0;  // stages, so far
  bool waited_ = false;
};

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_STREAM_SOURCE_CUH_
