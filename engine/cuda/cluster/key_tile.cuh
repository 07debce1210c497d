// Sixteen keys of a pair, with their values, in the registers of one warp, in the order of mma
// fragments: 16 bytes a lane, from the caches as they lie there or from copies in shared memory.
//
// Lane 4 g + t. Scores = K q: key g and key g + 8 are the rows of A. A lane's 16 bytes are eight
// elements of a row in a row, 32 v + 8 t and on: which two of them stand for inputs 2t, 2t+1 and
// which for 2t+8, 2t+9 does not matter, as long as the query's are taken alike.
// Output = V' p: keys 2t, 2t+1, 2t+8, 2t+9 are inputs; a lane has the g-th eighth of a value, whose
// words' halves are put together with those of the neighbouring key. The output's elements of that
// eighth are then in lane (g, 0).

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_KEY_TILE_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_KEY_TILE_CUH_

#include <cstdint>

#include "engine/cuda/cluster/planned_pair.cuh"
#include "engine/cuda/cluster/product.cuh"
#include "engine/cuda/cluster/tile_rows.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::cluster {

// kInterleaves: values' words are put together as they come, not when the weights are there.
template <class S, bool kInterleaves>
class KeyTile {
 public:
  using Query = QueryColumns<S, 16, 64>;
  static constexpr bool kMayBeEmpty = false;
  static constexpr int kTotalLane = 0;  // whose product of ones has the weights' sum
  static constexpr int kKeyVectors = S::kKey / 32;
  // A lane's vectors of a value: of 8 elements, or 4 where a value is too short for that.
  static constexpr int kValueWords = S::kValue % 64 == 0 ? 4 : 2;
  static constexpr int kValueVectors = S::kValue / (16 * kValueWords);
  static_assert(kValueVectors <= 2);
  static constexpr int kOutputTiles = S::kValue / 16;
  static_assert(sizeof(kZeroRow) >= 2 * S::kKey && sizeof(kZeroRow) >= 2 * S::kValue);

  // Keys 16 `tile` and on; the query's own is left out, those past the last are zeros.
  __device__ __forceinline__ void Fetch(const PlannedPair& pair, int tile, int lane) {
    const TileRows rows = TileRows::Of(pair, tile, lane);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const std::byte* const from =
          RowAt(pair.keys_at, rows.of_keys[half], S::kKey * 2) + lane % 4 * 16;
#pragma unroll
      for (int v = 0; v < kKeyVectors; ++v) keys_[half][v] = ReadCached(from + v * 64);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const std::byte* const from =
          RowAt(pair.values_at, rows.of_values[i], S::kValue * 2) + lane / 4 * kOwnBytes;
#pragma unroll
      for (int v = 0; v < kValueVectors; ++v) values_[i][v] = ReadValue(from + v * kValueBytes);
    }
    if constexpr (kInterleaves) Interleave();
  }

  // The same from copies in shared memory, `ahead`'s. `count`: of the tile's keys. The query's own
  // and keys past the last are anything; values past the last are zeros.
  // kByQuarters: long values by loads of 8 bytes, without bank conflicts.
  template <bool kByQuarters, class Ahead>
  __device__ __forceinline__ void Load(const Ahead& ahead, const PlannedPair&, int tile, int count,
                                       int lane) {
    const uint32_t keys = ahead.Keys(tile * kKeyTile);
    const uint32_t values = ahead.Values(tile * kKeyTile);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int key = lane / 4 + 8 * half;
      LoadKey(keys + key * (S::kKey * 2) + lane % 4 * 16, key % 2 != 0, keys_[half]);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int key = KeyOfInput(i, lane);
      const uint32_t from = values + key * (S::kValue * 2) + lane / 4 * kOwnBytes;
      if constexpr (kByQuarters && kValueVectors == 2) {
        LoadQuarters(from, lane % 4, values_[i]);
      } else {
        LoadValue(from, lane % 2 != 0, values_[i]);
      }
    }
    if (count < kKeyTile) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (KeyOfInput(i, lane) < count) continue;
#pragma unroll
        for (int v = 0; v < kValueVectors; ++v) values_[i][v] = make_uint4(0, 0, 0, 0);
      }
    }
    if constexpr (kInterleaves) Interleave();
  }

  // Put the query's own key and value, which are in shared memory, into their place `own` of the
  // tile's sixteen.
  __device__ __forceinline__ void PutOwnKey(int own, uint32_t key, int lane) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (own != lane / 4 + 8 * half) continue;
#pragma unroll
      for (int v = 0; v < kKeyVectors; ++v) {
        keys_[half][v] = Load16(key + v * 64 + lane % 4 * 16);
      }
    }
  }
  __device__ __forceinline__ void PutOwnValue(int own, uint32_t value, int lane) {
    if constexpr (kInterleaves) {
      PutIntoFragments(own, value + lane / 4 * kOwnBytes, lane);
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (own != KeyOfInput(i, lane)) continue;
        LoadValue(value + lane / 4 * kOwnBytes, false, values_[i]);
      }
    }
  }

  // Products of the query with key g (first) and key g + 8, in the lanes (g, 0).
  __device__ __forceinline__ float2 Scores(const Query& query) const {
    float sums[2][4] = {};
#pragma unroll
    for (int v = 0; v < kKeyVectors; ++v) {
      const uint4 low = keys_[0][v];
      const uint4 high = keys_[1][v];
      const uint4 q = query.vectors[v];
      MultiplyBfloat16(sums[0], make_uint4(low.x, high.x, low.y, high.y), make_uint2(q.x, q.y));
      MultiplyBfloat16(sums[1], make_uint4(low.z, high.z, low.w, high.w), make_uint2(q.z, q.w));
    }
    // Columns 0 and 1 are the query's two parts.
    return make_float2((sums[0][0] + sums[1][0]) + (sums[0][1] + sums[1][1]),
                       (sums[0][2] + sums[1][2]) + (sums[0][3] + sums[1][3]));
  }

  // Columns 0 and 1 of the values' product are the weights, a rounded number and what it leaves.
  // `weights`: of keys KeyOfInput(0 to 3).
  __device__ __forceinline__ uint2 Columns(float4 weights, int lane) const {
    const WeightColumn parts = WeightColumn::Of(weights);
    return lane / 4 < 2 ? parts.Part(lane / 4 == 1) : make_uint2(0, 0);
  }

  // output += V' p, for p as the lane's B operand; two output elements of a row of A each.
  __device__ __forceinline__ void AddValues(uint2 weights, float (&output)[kOutputTiles][4]) const {
#pragma unroll
    for (int part = 0; part < kOutputTiles; ++part) {
      MultiplyBfloat16(output[part], kInterleaves ? fragments_[part] : FragmentOf(part), weights);
    }
  }

 private:
  static constexpr int kValueBytes = 4 * kValueWords;            // of a vector
  static constexpr int kOwnBytes = kValueVectors * kValueBytes;  // a lane's of a value

  // A lane's parts of a row lie in the banks of its neighbours' of other rows: half of the lanes
  // read theirs in another order.
  static __device__ __forceinline__ void LoadKey(uint32_t from, bool swaps,
                                                 uint4 (&key)[kKeyVectors]) {
    if constexpr (kKeyVectors == 2) {
      const uint4 first = Load16(from + (swaps ? 64 : 0));
      const uint4 second = Load16(from + (swaps ? 0 : 64));
      key[0] = Choose(swaps, second, first);
      key[1] = Choose(swaps, first, second);
    } else {
#pragma unroll
      for (int v = 0; v < kKeyVectors; ++v) key[v] = Load16(from + v * 64);
    }
  }
  static __device__ __forceinline__ void LoadValue(uint32_t from, bool swaps,
                                                   uint4 (&value)[kValueVectors]) {
    if constexpr (kValueVectors == 2) {
      const uint4 first = Load16(from + (swaps ? 16 : 0));
      const uint4 second = Load16(from + (swaps ? 0 : 16));
      value[0] = Choose(swaps, second, first);
      value[1] = Choose(swaps, first, second);
    } else if constexpr (kValueWords == 4) {
      const uint2 first = Load8(from + (swaps ? 8 : 0));
      const uint2 second = Load8(from + (swaps ? 0 : 8));
      const uint4 both = make_uint4(first.x, first.y, second.x, second.y);
      value[0] = Choose(swaps, make_uint4(both.z, both.w, both.x, both.y), both);
    } else {
      const uint2 half = Load8(from);
      value[0] = make_uint4(half.x, half.y, 0, 0);
    }
  }
  // Quarter `first` first: the parts of the lanes of four rows lie in the same banks.
  static __device__ __forceinline__ void LoadQuarters(uint32_t from, int first, uint4 (&value)[2]) {
    uint2 read[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) read[i] = Load8(from + (first + i) % 4 * 8);
    uint2 turned[4];  // by one, for an odd `first`
#pragma unroll
    for (int i = 0; i < 4; ++i) turned[i] = Choose(first % 2 != 0, read[(i + 3) % 4], read[i]);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const uint2 low = Choose(first / 2 != 0, turned[2 - 2 * i], turned[2 * i]);
      const uint2 high = Choose(first / 2 != 0, turned[3 - 2 * i], turned[2 * i + 1]);
      value[i] = make_uint4(low.x, low.y, high.x, high.y);
    }
  }
  static __device__ __forceinline__ uint2 Choose(bool first, const uint2& a, const uint2& b) {
    return make_uint2(first ? a.x : b.x, first ? a.y : b.y);
  }
  static __device__ __forceinline__ uint4 Choose(bool first, const uint4& a, const uint4& b) {
    return make_uint4(first ? a.x : b.x, first ? a.y : b.y, first ? a.z : b.z, first ? a.w : b.w);
  }
  // A vector of a value; of a short one, words 2 and 3 are not for use.
  static __device__ __forceinline__ uint4 ReadValue(const std::byte* from) {
    if constexpr (kValueWords == 4) return ReadCached(from);
    uint4 value = {};
    asm volatile("ld.global.cg.v2.u32 {%0, %1}, [%2];"
                 : "=r"(value.x), "=r"(value.y)
                 : "l"(from)
                 : "memory");
    return value;
  }
  __device__ __forceinline__ uint4 FragmentOf(int part) const {
    const int v = part / kValueWords;
    const int word = part % kValueWords;
    const uint32_t a = Word(values_[0][v], word);
    const uint32_t b = Word(values_[1][v], word);
    const uint32_t c = Word(values_[2][v], word);
    const uint32_t d = Word(values_[3][v], word);
    return make_uint4(LowHalves(a, b), HighHalves(a, b), LowHalves(c, d), HighHalves(c, d));
  }
  __device__ __forceinline__ void Interleave() {
#pragma unroll
    for (int part = 0; part < kOutputTiles; ++part) fragments_[part] = FragmentOf(part);
  }
  // The lane's part of the query's own value, from shared memory: a word's low half is one of two
  // halves of a fragment's first or third word, the other of the second or fourth.
  __device__ __forceinline__ void PutIntoFragments(int own, uint32_t from, int lane) {
    uint4 vectors[kValueVectors];
    LoadValue(from, false, vectors);
    uint32_t low[2];  // of the inputs 0 and 1, 2 and 3
    uint32_t high[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const bool is_first = own == KeyOfInput(2 * i, lane);
      const bool is_second = own == KeyOfInput(2 * i + 1, lane);
      low[i] = is_first ? 0x3254 : is_second ? 0x5410 : 0x3210;
      high[i] = is_first ? 0x3276 : is_second ? 0x7610 : 0x3210;
    }
#pragma unroll
    for (int part = 0; part < kOutputTiles; ++part) {
      const uint32_t word = Word(vectors[part / kValueWords], part % kValueWords);
      uint4& put = fragments_[part];
      put = make_uint4(__byte_perm(put.x, word, low[0]), __byte_perm(put.y, word, high[0]),
                       __byte_perm(put.z, word, low[1]), __byte_perm(put.w, word, high[1]));
    }
  }
  static __device__ __forceinline__ uint32_t Word(const uint4& four, int i) {
    return i == 0 ? four.x : i == 1 ? four.y : i == 2 ? four.z : four.w;
  }
  static __device__ __forceinline__ uint32_t LowHalves(uint32_t a, uint32_t b) {
    return __byte_perm(a, b, 0x5410);
  }
  static __device__ __forceinline__ uint32_t HighHalves(uint32_t a, uint32_t b) {
    return __byte_perm(a, b, 0x7632);
  }

  uint4 keys_[2][kKeyVectors];
  uint4 values_[4][kValueVectors];
  uint4 fragments_[kOutputTiles];  // of A, where kInterleaves is: what values_ become
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_KEY_TILE_CUH_
