// Decode attention over int8 caches: a query's chunks of keys and values, each by a warp of its
// own.
//
// The block that takes the query's own key, or its first block where it does not read itself, puts
// the key and the value into the cache (narrow_row.cuh). Scores = K q and sums = V' w are products
// of bytes (byte_tile.cuh): the query is a scale and whole numbers of 16 bits, and so are a chunk's
// weights, each by the scale of its value. Integer sums are exact, so that a query's results follow
// from its chunks' alone.
//
// A warp's chunk lies in shared memory (byte_rows.cuh). All of the first but the query's own key is
// on its way before the wait for the grid before; the next chunk's keys are asked for as soon as
// those of this one have been multiplied, then its values. No warp waits for another before the
// end.
//
// Error beside that of the caches: an element of the query is off by 2^-17 of its largest, a weight
// by 2^-17 of the chunk's largest.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_BYTE_ATTENTION_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_BYTE_ATTENTION_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/attention_chunk.cuh"
#include "engine/cuda/kernels/byte_query.cuh"
#include "engine/cuda/kernels/byte_rows.cuh"
#include "engine/cuda/kernels/byte_tile.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/narrow_cache.cuh"
#include "engine/cuda/kernels/narrow_row.cuh"
#include "engine/cuda/kernels/row_norm.cuh"

namespace strided::cuda::attention {

inline constexpr int kMostByteWarps = 3;  // of a block
inline constexpr int kTileKeys = 16;
inline constexpr int kTiles = kAttentionChunk / kTileKeys;
inline constexpr int kLaneKeys = kAttentionChunk / 32;

// Heads whose keys have at most 16 kKeyParts elements, and values 16 kValueParts.
template <Operand kOperandOf, int kKeyParts, int kValueParts>
class ByteAttention {
 public:
  using Keys = ByteRows<kKeyParts>;
  using Values = ByteRows<kValueParts>;

  // A warp's own shared memory; its keys and values come before.
  struct Own {
    int rows[kAttentionChunk];  // of the cache, by key of the chunk that is copied
    // High and low bytes of the weights of the chunk that is weighed: [t][tile][key % 8 % 2][key
    // / 8 % 2 of the tile], t = key / 2 % 4, so that a lane's are together.
    __align__(16) uint8_t weights[2][kAttentionChunk];
  };
  static constexpr int kWarpBytes = Keys::kBytes + Values::kBytes + static_cast<int>(sizeof(Own));

  // `memory`: kWarpBytes for each warp, then, where a block takes all of a query's chunks, room for
  // their shares.
  __device__ __forceinline__ ByteAttention(const DecodeAttention& a, std::byte* memory)
      : a_(a), lane_(threadIdx.x % 32) {
    const int warp = threadIdx.x / 32;
    const int warps = blockDim.x / 32;
    std::byte* const own = memory + warp * kWarpBytes;
    to_keys_ = SharedAddress(own);
    own_ = reinterpret_cast<Own*>(own + Keys::kBytes + Values::kBytes);
    kept_ = reinterpret_cast<float*>(memory + warps * kWarpBytes);
    busy_ = FindQuery(a, 1, query_);
    if (!busy_) return;
    cache_ = NarrowCache(const_cast<std::byte*>(query_.keys_at), query_.layout.Rows(query_.length),
                         a.d_key, a.d_value);
    const int chunks = max(query_.chunks, 1);
    blocks_ = min(static_cast<int>(gridDim.x), (chunks + warps - 1) / warps);
    busy_ = blockIdx.x < blocks_;
    const int share = blockIdx.x * warps + warp;
    first_ = chunks * share / (blocks_ * warps);
    end_ = chunks * (share + 1) / (blocks_ * warps);
    own_key_ = query_.layout.OwnKey(query_.position);
    const int storing = own_key_ < 0 ? 0 : own_key_ / kAttentionChunk;
    stores_ = busy_ && first_ <= storing && storing < end_;
  }

  __device__ __forceinline__ bool busy() const { return busy_; }

  // Asks for the first chunk, before the wait. What is read of the query's own key is replaced.
  __device__ __forceinline__ void Begin() {
    List(first_);
    CopyKeys(first_);
    CopyValues(first_);
    if (a_.next_heads == nullptr || first_ >= end_) return;
    for (int i = 0; i < kLaneKeys; ++i) {
      PrefetchNext(a_, query_, 1, first_ * kAttentionChunk + i * 32 + lane_);
    }
  }

  // The rest, after the wait.
  __device__ __forceinline__ void Finish() {
    // All that the grid before has written is asked for at once.
    const std::byte* const fresh = a_.fresh + query_.IndexIn(a_) * (a_.d_key + a_.d_value) * 2;
    const Row key(fresh, stores_ ? a_.d_key : 0);
    const Row value(fresh + a_.d_key * 2, stores_ ? a_.d_value : 0);
    const QueryBytes<kSteps> query(a_, query_, lane_);
    const OwnKey own(key, value);
    for (int chunk = first_; chunk < end_; ++chunk) Attend(chunk, query, own);
    if (stores_) own.Store(a_, query_, cache_, lane_);
    if (query_.chunks <= 1) return;
    if (blocks_ > 1) return Arrive<kOperandOf>(a_, query_, blocks_);
    __syncthreads();
    Combine<kOperandOf>(a_, query_, kept_, [&](int i) { return kept_[i]; });
  }

 private:
  static constexpr int kSteps = kKeyParts / 2;
  using Row = NarrowRow<kOperandOf, 32>;

  // The lane's i-th key of a chunk: of the tiles t and 4 + t, keys g and g + 8.
  __device__ __forceinline__ int LaneKey(int i) const {
    return (i / 2 * 4 + lane_ % 4) * kTileKeys + i % 2 * 8 + lane_ / 4;
  }
  __device__ __forceinline__ bool Aligned() const {
    return a_.d_key % 16 == 0 && a_.d_value % 16 == 0;
  }
  __device__ __forceinline__ uint32_t ToValues() const { return to_keys_ + Keys::kBytes; }

  // -- Reading.

  // Lists the rows of a chunk's keys, and asks for their scales.
  __device__ __forceinline__ void List(int chunk) {
    if (chunk >= end_) return;
    const int keys = query_.KeysOf(chunk);
#pragma unroll
    for (int i = 0; i < kLaneKeys; ++i) {
      const int key = LaneKey(i);
      scales_[i] = make_float2(0, 0);
      if (key >= keys) continue;
      const int row =
          query_.layout.KeyRow(query_.position, chunk * kAttentionChunk + key, query_.length);
      own_->rows[key] = row;
      scales_[i] = __ldcg(cache_.ScalesAt(row));
    }
    __syncwarp();
  }
  // A group of copies each, if only an empty one.
  __device__ __forceinline__ void CopyKeys(int chunk) {
    if (chunk < end_) {
      Keys::Copy(cache_.keys(), a_.d_key, Aligned(), own_->rows, query_.KeysOf(chunk), to_keys_);
    }
    CommitCopies();
  }
  __device__ __forceinline__ void CopyValues(int chunk) {
    if (chunk < end_) {
      Values::Copy(cache_.values(), a_.d_value, Aligned(), own_->rows, query_.KeysOf(chunk),
                   ToValues());
    }
    CommitCopies();
  }

  // Until the older of the two groups of copies has arrived, for the whole warp.
  __device__ __forceinline__ void WaitForOlder() {
    WaitForCopies<1>();
    __syncwarp();
  }

  // -- Products.

  // Of the query with the lane's keys.
  __device__ __forceinline__ void Score(int keys, const QueryBytes<kSteps>& query,
                                        int (&products)[kLaneKeys]) const {
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      if (tile * kTileKeys >= keys) break;
      int sums[4] = {};
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        uint32_t bytes[4];
        const int row = tile * kTileKeys + lane_ % 16;
        LoadMatrices(bytes, to_keys_ + Keys::Offset(row, step * 2 + lane_ / 16));
        MultiplyBytes<ByteColumns::kSigned>(sums, bytes, query.words[step][0],
                                            query.words[step][1]);
      }
      if (tile % 4 == lane_ % 4) {
        products[tile / 4 * 2] = WholeSum(sums[0], sums[1]);
        products[tile / 4 * 2 + 1] = WholeSum(sums[2], sums[3]);
      }
    }
  }

  // What a chunk gives beside its sums of values.
  struct Weights {
    float largest;  // score
    float total;    // of the weights 2^(score - largest)
    float unit;     // of the weights by the scales of their values
  };

  // Weights of the lane's keys, to own_->weights as bytes.
  __device__ __forceinline__ Weights Weigh(int keys, const float (&scores)[kLaneKeys],
                                           const float2 (&scales)[kLaneKeys]) {
    Weights weights;
    float most = -INFINITY;
#pragma unroll
    for (const float score : scores) most = fmaxf(most, score);
    weights.largest = WarpMax(most);
    float shares[kLaneKeys];
    float total = 0;
    uint32_t bits = 0;
#pragma unroll
    for (int i = 0; i < kLaneKeys; ++i) {
      const float weight = LaneKey(i) < keys ? Exp2(scores[i] - weights.largest) : 0;
      total += weight;
      shares[i] = weight * scales[i].y;
      bits = max(bits, __float_as_uint(shares[i]));  // not a number is above all
    }
    weights.total = WarpSum(total);
    constexpr float kMost = 65535;
    const float share = __uint_as_float(__reduce_max_sync(0xFFFFFFFFu, bits));
    weights.unit = share / kMost;
    const float inverse = share > 0 ? kMost / share : 0;
#pragma unroll
    for (int pair = 0; pair < kLaneKeys / 2; ++pair) {
      const uint32_t first = __float2uint_rn(shares[2 * pair] * inverse);
      const uint32_t second = __float2uint_rn(shares[2 * pair + 1] * inverse);
      const int g = lane_ / 4;
      const int at = g / 2 * 32 + (pair * 4 + lane_ % 4) * 4 + g % 2 * 2;
      *reinterpret_cast<uint16_t*>(own_->weights[0] + at) =
          static_cast<uint16_t>(first >> 8 | (second & 0xFF00));
      *reinterpret_cast<uint16_t*>(own_->weights[1] + at) =
          static_cast<uint16_t>((first & 0xFF) | (second & 0xFF) << 8);
    }
    __syncwarp();
    return weights;
  }

  // Sums of values by the weights' bytes: of elements 16 p + 2 g and 16 p + 2 g + 1.
  __device__ __forceinline__ void AddValues(int keys, int (&sums)[kValueParts][4]) const {
    const uint8_t* const from = own_->weights[lane_ / 4 % 2] + lane_ % 4 * 32;
    const uint4 low = *reinterpret_cast<const uint4*>(from);
    const uint4 high = *reinterpret_cast<const uint4*>(from + 16);
    const uint32_t words[kTiles] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
    for (int step = 0; step < kAttentionChunk / 32; ++step) {
      if (step * 32 >= keys) break;
#pragma unroll
      for (int part = 0; part < kValueParts; ++part) {
        uint32_t m[4];
        LoadTransposed(m, ToValues() + Values::Offset(step * 32 + lane_, part));
        // Of keys 2t, 8 + 2t, 2t + 1, 8 + 2t + 1: the element 2 g, then 2 g + 1.
        const uint32_t bytes[4] = {__byte_perm(m[0], m[1], 0x6240), __byte_perm(m[0], m[1], 0x7351),
                                   __byte_perm(m[2], m[3], 0x6240),
                                   __byte_perm(m[2], m[3], 0x7351)};
        MultiplyBytes<ByteColumns::kUnsigned>(sums[part], bytes, words[step * 2],
                                              words[step * 2 + 1]);
      }
    }
  }

  // -- A chunk.

  __device__ __forceinline__ void Attend(int chunk, const QueryBytes<kSteps>& query,
                                         const OwnKey& own) {
    const int keys = query_.KeysOf(chunk);
    const bool has_own = stores_ && own_key_ >= 0 && own_key_ / kAttentionChunk == chunk;
    const int own_key = own_key_ - chunk * kAttentionChunk;
    WaitForOlder();
    if (has_own) {
      if (lane_ * kNarrowVector < a_.d_key) Keys::WriteHalf(to_keys_, own_key, lane_, own.key);
      __syncwarp();
    }
    int products[kLaneKeys] = {};
    Score(keys, query, products);
    float scores[kLaneKeys];
    float2 scales[kLaneKeys];
    const float unit = query.unit * (a_.scale * kLog2OfE);
#pragma unroll
    for (int i = 0; i < kLaneKeys; ++i) {
      scales[i] = has_own && LaneKey(i) == own_key ? own.scales : scales_[i];
      scores[i] =
          LaneKey(i) < keys ? static_cast<float>(products[i]) * (unit * scales[i].x) : -INFINITY;
    }
    __syncwarp();  // all keys have been read
    List(chunk + 1);
    CopyKeys(chunk + 1);
    const Weights weights = Weigh(keys, scores, scales);
    WaitForOlder();
    if (has_own) {
      if (lane_ * kNarrowVector < a_.d_value) {
        Values::WriteHalf(ToValues(), own_key, lane_, own.value);
      }
      __syncwarp();
    }
    int sums[kValueParts][4] = {};
    AddValues(keys, sums);
    __syncwarp();  // all values have been read
    CopyValues(chunk + 1);
    WriteShare(chunk, weights, sums);
  }

  // To `out` where the query has no other chunk, else to its shares (attention_chunk.cuh).
  __device__ __forceinline__ void WriteShare(int chunk, const Weights& weights,
                                             const int (&sums)[kValueParts][4]) const {
    const bool alone = query_.chunks <= 1;
    float* const shares = (blocks_ > 1 ? SharesOf(a_, query_) : kept_) + chunk * ShareStride(a_);
    const float unit = alone ? (query_.keys > 0 ? weights.unit / weights.total : 0) : weights.unit;
#pragma unroll
    for (int part = 0; part < kValueParts; ++part) {
      const int at = part * 16 + lane_ / 4 * 2;
      if (part % 4 != lane_ % 4 || at >= a_.d_value) continue;
      const float first = static_cast<float>(WholeSum(sums[part][0], sums[part][1])) * unit;
      const float second = static_cast<float>(WholeSum(sums[part][2], sums[part][3])) * unit;
      if (alone) {
        auto* const out = reinterpret_cast<uint32_t*>(OutputOf<kOperandOf>(a_, query_) + at);
        *out = OperandTraits<kOperandOf>::Pack(first, second);
      } else {
        *reinterpret_cast<float2*>(shares + at) = make_float2(first, second);
      }
    }
    if (!alone && lane_ == 0) {
      *reinterpret_cast<float2*>(shares + a_.d_value) = make_float2(weights.largest, weights.total);
    }
  }

  const DecodeAttention& a_;
  const int lane_;
  uint32_t to_keys_;
  Own* own_;
  float* kept_;
  Query query_;
  NarrowCache cache_;
  bool busy_ = false;
  bool stores_ = false;  // whether the warp puts the query's own key into the cache
  int blocks_ = 1;       // that share the query's chunks
  int first_ = 0;        // chunks first_ <= c < end_ are the warp's
  int end_ = 0;
  int own_key_ = -1;
  float2 scales_[kLaneKeys];  // of the lane's keys of the chunk that was listed last
};

// Grid: (blocks of a query, heads, rows).
template <class Attention>
__global__ void __launch_bounds__(32 * kMostByteWarps)
    ByteAttentionKernel(const __grid_constant__ DecodeAttention a) {
  extern __shared__ __align__(16) std::byte memory[];
  LetNextGridStart();
  Attention attention(a, memory);
  if (attention.busy()) attention.Begin();
  WaitForGridBefore();
  if (attention.busy()) attention.Finish();
}

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_BYTE_ATTENTION_CUH_
