// Which team attends to which chunk, where many queries' chunks are dealt to few teams.
//
// All queries' keys are counted one after the other, in the order of rows and heads, and cut into
// ranges of equal length, one to a team. A chunk is the team's in whose range its first key lies.
// A query without keys counts as one chunk at the place where it stands.
//
// Host and device arithmetic, tested on the host.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_KEY_SHARES_H_
#define STRIDED_ENGINE_CUDA_KERNELS_KEY_SHARES_H_

#include <cstdint>

#include "engine/cuda/kernels/decode_attention.h"
#include "engine/cuda/kernels/head_rows.h"

namespace strided::cuda::attention {

struct KeyShares {
  int64_t keys = 0;  // of all queries
  int teams = 1;     // that have a range, of kAttentionChunk keys or more: so each has a chunk

  STRIDED_HOST_DEVICE static KeyShares Of(int64_t keys, int most_teams) {
    const int64_t ranges = keys / kAttentionChunk;
    if (ranges >= most_teams) return {keys, most_teams};
    return {keys, ranges < 1 ? 1 : static_cast<int>(ranges)};
  }
  // Where the range of `team` begins; that of team `teams` behind all keys.
  STRIDED_HOST_DEVICE int64_t Begin(int team) const {
    if (team >= teams) return keys + 1;
    return (keys * team + teams - 1) / teams;
  }
  // Whose the chunk is that begins at `key`.
  STRIDED_HOST_DEVICE int Owner(int64_t key) const {
    return key >= keys ? teams - 1 : static_cast<int>(key * teams / keys);
  }
};

// A team's range of keys.
struct KeyRange {
  int64_t begin = 0;
  int64_t end = 0;

  STRIDED_HOST_DEVICE static KeyRange Of(const KeyShares& shares, int team) {
    return {shares.Begin(team), shares.Begin(team + 1)};
  }
};

// The chunks of a query that begin in a range: first <= c < end.
struct ChunkRange {
  int first = 0;
  int end = 0;

  // Chunks of a query of `keys` keys.
  STRIDED_HOST_DEVICE static int Chunks(int keys) {
    return keys == 0 ? 1 : (keys + kAttentionChunk - 1) / kAttentionChunk;
  }
  // Of a query that has `keys`, the first of which is number `begin` of all.
  STRIDED_HOST_DEVICE static ChunkRange Of(const KeyRange& range, int64_t begin, int keys) {
    const int chunks = Chunks(keys);
    return {Before(range.begin - begin, chunks), Before(range.end - begin, chunks)};
  }

 private:
  // Chunks that begin less than `place` behind the query's first key.
  STRIDED_HOST_DEVICE static int Before(int64_t place, int chunks) {
    if (place <= 0) return 0;
    const int64_t before = (place + kAttentionChunk - 1) / kAttentionChunk;
    return before < chunks ? static_cast<int>(before) : chunks;
  }
};

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_KEY_SHARES_H_
