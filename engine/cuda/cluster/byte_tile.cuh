// Sixteen keys of a pair over int8 caches, with their values, in the registers of one warp: what
// KeyTile is over bfloat16 ones.
//
// Elements stay bytes until they are multiplied: as bfloat16 they are exact. A score is multiplied
// by the scale of its key, and a weight by that of its value before it becomes a column of the
// values' product; two more columns have the weights as they are, for their sum.
//
// Lane 4 g + t. A lane's part of a key is the t-th quarter of its elements, in order; of a value
// the g-th eighth.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_BYTE_TILE_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_BYTE_TILE_CUH_

#include <cstdint>

#include "engine/cuda/cluster/planned_pair.cuh"
#include "engine/cuda/cluster/product.cuh"
#include "engine/cuda/cluster/tile_rows.cuh"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::cluster {

// Bytes 2 kPair and 2 kPair + 1 of a word, -127 to 127, as bfloat16.
template <int kPair>
__device__ __forceinline__ uint32_t WidenedBytes(uint32_t word) {
  // Below 0x43 a byte's last 7 bits alone make 128 + x mod 128, and its sign bit alone 128, or 256
  // where it is set: they differ by x.
  const uint32_t numbers = __byte_perm(word, 0x43434343, kPair == 0 ? 0x4140 : 0x4342);
  uint32_t widened;
  asm("sub.rn.bf16x2 %0, %1, %2;"
      : "=r"(widened)
      : "r"(numbers & 0xFF7FFF7F), "r"(numbers & 0xFF80FF80));
  return widened;
}

template <class S>
class ByteTile {
 public:
  using Query = QueryColumns<S, S::kKey / 2, 16>;
  static constexpr bool kMayBeEmpty = true;  // its only key may be the query's own
  static constexpr int kOutputTiles = S::kValue / 16;
  static constexpr int kTotalLane = 1;  // whose product of ones has the weights' sum

  // Keys 16 `tile` and on; the query's own is left out, those past the last are zeros.
  __device__ __forceinline__ void Fetch(const PlannedPair& pair, int tile, int lane) {
    const int k = tile * kKeyTile + lane % kKeyTile;
    const int row = k < pair.keys && k != pair.own ? pair.RowOf(k) : -1;
    const std::byte* const scales = pair.ScalesAt<S>();
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int at = __shfl_sync(kAll, row, lane / 4 + 8 * half);
      Read(RowAt(pair.keys_at, at, S::kKey) + lane % 4 * (4 * kKeyWords), keys_[half]);
      key_scales_[half] = ReadScale(RowAt(scales, at, kRowScaleBytes));
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int at = __shfl_sync(kAll, row, KeyOfInput(i, lane));
      Read(RowAt(pair.values_at, at, S::kValue) + lane / 4 * (4 * kValueWords), values_[i]);
      value_scales_[i] = ReadScale(RowAt(scales, at, kRowScaleBytes) + 4);
    }
  }

  // The same from copies in shared memory, `ahead`'s. `count`: of the tile's keys. The query's own
  // and keys past the last are anything, but that their values have no scale.
  template <bool kByQuarters, class Ahead>
  __device__ __forceinline__ void Load(const Ahead& ahead, const PlannedPair& pair, int tile,
                                       int count, int lane) {
    const int first = tile * kKeyTile;
    const auto scales = ahead.Scales(pair);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int key = lane / 4 + 8 * half;
      LoadWords(ahead.Keys(first + key) + lane % 4 * (4 * kKeyWords), false, keys_[half]);
      key_scales_[half] = __uint_as_float(Load4(scales.Of(first + key)));
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int key = KeyOfInput(i, lane);
      LoadWords(ahead.Values(first + key) + lane / 4 * (4 * kValueWords), lane % 2 != 0,
                values_[i]);
      const float scale = __uint_as_float(Load4(scales.Of(first + key) + 4));
      value_scales_[i] = key < count && first + key != pair.own ? scale : 0;
    }
  }

  // Products of the query with key g (first) and key g + 8, in the lanes (g, 0).
  __device__ __forceinline__ float2 Scores(const Query& query) const {
    float sums[2][4] = {};
#pragma unroll
    for (int w = 0; w < kKeyWords; ++w) {
      const uint4& q = query.vectors[w / 2];
      const uint32_t low = keys_[0][w];
      const uint32_t high = keys_[1][w];
      MultiplyBfloat16(sums[w % 2],
                       make_uint4(WidenedBytes<0>(low), WidenedBytes<0>(high), WidenedBytes<1>(low),
                                  WidenedBytes<1>(high)),
                       w % 2 == 0 ? make_uint2(q.x, q.y) : make_uint2(q.z, q.w));
    }
    // Columns 0 and 1 are the query's two parts.
    const float first = (sums[0][0] + sums[1][0]) + (sums[0][1] + sums[1][1]);
    const float second = (sums[0][2] + sums[1][2]) + (sums[0][3] + sums[1][3]);
    return make_float2(first * key_scales_[0], second * key_scales_[1]);
  }

  // Columns 0 and 1 of the values' product are weights by scales, a rounded number and what it
  // leaves; 2 and 3 weights alone. `weights`: of keys KeyOfInput(0 to 3).
  __device__ __forceinline__ uint2 Columns(float4 weights, int lane) const {
    const int column = lane / 4;
    const bool scaled = column < 2;
    return WeightColumn::Of(make_float4(weights.x * (scaled ? value_scales_[0] : 1.0F),
                                        weights.y * (scaled ? value_scales_[1] : 1.0F),
                                        weights.z * (scaled ? value_scales_[2] : 1.0F),
                                        weights.w * (scaled ? value_scales_[3] : 1.0F)))
        .Part(column % 2 != 0);
  }

  // output += V' p, for p as the lane's B operand; two output elements of a row of A each.
  __device__ __forceinline__ void AddValues(uint2 weights, float (&output)[kOutputTiles][4]) const {
#pragma unroll
    for (int w = 0; w < kValueWords; ++w) {
      Add<0>(w, weights, output[2 * w]);
      Add<1>(w, weights, output[2 * w + 1]);
    }
  }

 private:
  static constexpr uint32_t kAll = 0xFFFFFFFF;
  static constexpr int kKeyWords = S::kKey / 16;  // of four elements, a lane's
  static constexpr int kValueWords = S::kValue / 32;
  static_assert(kKeyWords % 2 == 0 && kValueWords % 2 == 0);

  // Of one word of two keys' values, elements 2 kHalf and 2 kHalf + 1, in turns.
  template <int kHalf>
  static __device__ __forceinline__ uint32_t Interleaved(uint32_t a, uint32_t b) {
    return __byte_perm(a, b, kHalf == 0 ? 0x5140 : 0x7362);
  }
  // Elements 2 kHalf and 2 kHalf + 1 of the values' words.
  template <int kHalf>
  __device__ __forceinline__ void Add(int word, uint2 weights, float (&output)[4]) const {
    const uint32_t first = Interleaved<kHalf>(values_[0][word], values_[1][word]);
    const uint32_t second = Interleaved<kHalf>(values_[2][word], values_[3][word]);
    MultiplyBfloat16(output,
                     make_uint4(WidenedBytes<0>(first), WidenedBytes<1>(first),
                                WidenedBytes<0>(second), WidenedBytes<1>(second)),
                     weights);
  }

  // `swaps`: the second half of four words first, since neighbours' lie in the same banks.
  template <int kWords>
  static __device__ __forceinline__ void LoadWords(uint32_t from, bool swaps,
                                                   uint32_t (&words)[kWords]) {
    if constexpr (kWords == 4) {
      const uint2 first = Load8(from + (swaps ? 8 : 0));
      const uint2 second = Load8(from + (swaps ? 0 : 8));
      words[0] = swaps ? second.x : first.x;
      words[1] = swaps ? second.y : first.y;
      words[2] = swaps ? first.x : second.x;
      words[3] = swaps ? first.y : second.y;
    } else {
      const uint2 both = Load8(from);
      words[0] = both.x;
      words[1] = both.y;
    }
  }
  // As KeyTile reads.
  static __device__ __forceinline__ void Read(const std::byte* from, uint32_t (&words)[4]) {
    const uint4 vector = ReadCached(from);
    words[0] = vector.x;
    words[1] = vector.y;
    words[2] = vector.z;
    words[3] = vector.w;
  }
  static __device__ __forceinline__ void Read(const std::byte* from, uint32_t (&words)[2]) {
    asm volatile("ld.global.cg.v2.u32 {%0, %1}, [%2];"
                 : "=r"(words[0]), "=r"(words[1])
                 : "l"(from)
                 : "memory");
  }
  static __device__ __forceinline__ float ReadScale(const std::byte* from) {
    float scale;
    asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(scale) : "l"(from) : "memory");
    return scale;
  }

  uint32_t keys_[2][kKeyWords];
  uint32_t values_[4][kValueWords];
  float key_scales_[2];
  float value_scales_[4];  // of the keys of the lane's inputs of the values' product
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_BYTE_TILE_CUH_
