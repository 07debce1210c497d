// The shared memory of an attention stream (attention_stream.cuh). Pure.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_STREAM_SIZES_H_
#define STRIDED_ENGINE_CUDA_KERNELS_STREAM_SIZES_H_

#include <algorithm>

#include "engine/cuda/kernels/decode_attention.h"
#include "engine/cuda/kernels/head_rows.h"

namespace strided::cuda::attention {

// Of a team's ring: what is copied while a chunk is attended to.
inline constexpr int kKeyStages = 2;
inline constexpr int kValueStages = 1;
inline constexpr int kStreamChunkBytes = 32;  // of a StreamChunk
inline constexpr int kMostKeptShares = 32;    // of a query's chunks, in shared memory

// Offsets in bytes: of a team's parts from where it begins, of a block's from its start. Elements
// of 16 bits.
struct StreamSizes {
  // A team's: keys [kAttentionChunk][d_key] of each stage, then these.
  int key_bytes = 0;  // of a stage
  int value_bytes = 0;
  int query_bytes = 0;
  int values_at = 0;
  int queries_at = 0;
  int kept_at = 0;
  int barriers_at = 0;
  int chunks_at = 0;
  int team_bytes = 0;
  // The block's, behind all teams.
  int heads_at = 0;
  int rows_at = 0;
  int bytes = 0;

  static constexpr int RoundUp(int bytes) {
    // Bulk copies between places that differ within a line of 128 bytes are slower.
    constexpr int kLine = 128;
    return (bytes + kLine - 1) / kLine * kLine;
  }

  static StreamSizes Of(const DecodeAttention& a, int teams) {
    StreamSizes sizes;
    int end = 0;
    const auto take = [&end](int bytes) {
      const int at = end;
      end += RoundUp(bytes);
      return at;
    };
    sizes.key_bytes = kAttentionChunk * a.d_key * 2;
    sizes.value_bytes = kAttentionChunk * a.d_value * 2;
    sizes.query_bytes = RoundUp(a.d_key * 4);
    take(kKeyStages * sizes.key_bytes);
    sizes.values_at = take(kValueStages * sizes.value_bytes);
    sizes.queries_at = take(kKeyStages * sizes.query_bytes);
    sizes.kept_at = take(std::min(a.chunks, kMostKeptShares) * (a.d_value + 2) * 4);
    sizes.barriers_at = take(2 * (kKeyStages + kValueStages) * 8);
    sizes.chunks_at = take(kKeyStages * kStreamChunkBytes);
    sizes.team_bytes = end;
    end *= teams;
    sizes.heads_at = take(a.n_head * static_cast<int>(sizeof(HeadRows)));
    sizes.rows_at = take(a.rows * 4);
    sizes.bytes = end;
    return sizes;
  }
};

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_STREAM_SIZES_H_
