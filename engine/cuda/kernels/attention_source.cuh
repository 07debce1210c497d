// Where prefill attention finds a key and its value: among the call's rows or in the cache.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_SOURCE_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_SOURCE_CUH_

#include "engine/cuda/kernels/key_spans.h"
#include "engine/cuda/kernels/narrow_row.cuh"
#include "engine/cuda/kernels/prefill_attention.h"

namespace strided::cuda {

// A head's rows of qkv start with its query; key and value follow.
template <typename Type>
__device__ __forceinline__ const Type* QueryOf(const PrefillAttention& a, int head, int row) {
  return reinterpret_cast<const Type*>(a.qkv) + row * a.qkv_stride +
         head * (2 * a.d_key + a.d_value);
}

// Where the keys of an axis lie among the call's rows.
template <typename Type>
struct CallKeys {
  const Type* first;  // key 0's, were it in the call; its value follows it
  int step;           // elements from a key to the next
  int jump;           // elements more for each whole block of summary cells; 0 on other axes

  __device__ CallKeys(const HeadRows& rows, KeyAxis axis, int residue, const Type* position_0,
                      int row_stride) {
    const bool in_column = axis == KeyAxis::kColumn;
    const bool in_cells = axis == KeyAxis::kSummaries;
    const int64_t position = in_column ? residue : in_cells ? rows.offset : 0;
    first = position_0 + position * row_stride;
    step = in_column ? rows.period * row_stride : row_stride;
    jump = in_cells ? (rows.period - rows.cells) * row_stride : 0;
  }
  // Whether any key is as far from the one `count` keys on.
  __device__ __forceinline__ bool IsEven(int count, int cells) const {
    return jump == 0 || count % cells == 0;
  }
  // Elements between them. Requires IsEven.
  __device__ __forceinline__ int64_t Ahead(int count, const Divisor& by_cells) const {
    const int64_t blocks = jump == 0 ? 0 : by_cells.Divide(count);
    return static_cast<int64_t>(count) * step + blocks * jump;
  }
  __device__ __forceinline__ const Type* At(int key, const Divisor& by_cells) const {
    const int64_t blocks = jump == 0 ? 0 : by_cells.Divide(key);
    return first + static_cast<int64_t>(key) * step + blocks * jump;
  }
};

// One head of one sequence.
template <typename Type>
class KeySource {
 public:
  struct Row {
    const Type* key;
    const Type* value;
  };
  // Where caches are int8.
  struct EitherRow {
    const std::byte* key;
    const std::byte* value;
    bool narrow;    // from a cache; else of the operand's type
    float2 scales;  // of key and value, where narrow
  };

  // `residue`: of the queries' positions, where they are taken by column.
  __device__ KeySource(const PrefillAttention& a, const RowRun& run, int head, int residue)
      : rows_(a.heads[head]),
        residue_(residue),
        first_position_(run.first_position),
        d_key_(a.d_key),
        d_value_(a.d_value),
        call_keys_(QueryOf<Type>(a, head, run.first_row) + a.d_key),
        call_stride_(a.qkv_stride) {
    if (first_position_ == 0) return;  // all keys are the call's
    const DeviceSequence& sequence = a.sequences[run.slot];
    max_length_ = sequence.max_length;
    cache_keys_ =
        reinterpret_cast<const Type*>(sequence.cache + sequence.head_offsets[a.first_head + head]);
    cache_values_ = cache_keys_ + static_cast<int64_t>(rows_.Rows(max_length_)) * d_key_;
  }

  // Requires a key that some query of the call reads.
  __device__ __forceinline__ Row At(KeyAxis axis, int key) const {
    const int ahead = PositionOf(rows_, axis, residue_, key) - first_position_;
    if (ahead >= 0) {
      const Type* const from = call_keys_ + ahead * call_stride_;
      return {from, from + d_key_};
    }
    const int64_t row = CacheRowOf(rows_, axis, residue_, key, max_length_);
    return {cache_keys_ + row * d_key_, cache_values_ + row * d_value_};
  }

  // The same where caches are int8.
  __device__ __forceinline__ EitherRow EitherAt(KeyAxis axis, int key) const {
    if (IsInCall(axis, key)) {
      const Row row = At(axis, key);
      return {reinterpret_cast<const std::byte*>(row.key),
              reinterpret_cast<const std::byte*>(row.value), false, make_float2(0, 0)};
    }
    const int64_t row = CacheRowOf(rows_, axis, residue_, key, max_length_);
    const int64_t rows = rows_.Rows(max_length_);
    const auto* const keys = reinterpret_cast<const std::byte*>(cache_keys_);
    const auto* const scales = reinterpret_cast<const float2*>(keys + rows * (d_key_ + d_value_));
    return {keys + row * d_key_, keys + rows * d_key_ + row * d_value_, true, __ldcg(scales + row)};
  }

  // Where keys whose position is the call's lie.
  __device__ CallKeys<Type> InCall(KeyAxis axis) const {
    return CallKeys<Type>(rows_, axis, residue_, call_keys_ - first_position_ * call_stride_,
                          static_cast<int>(call_stride_));
  }
  // Whether the positions of this key and of later ones are the call's.
  __device__ __forceinline__ bool IsInCall(KeyAxis axis, int key) const {
    return PositionOf(rows_, axis, residue_, key) >= first_position_;
  }

  __device__ const HeadRows& rows() const { return rows_; }

 private:
  HeadRows rows_;
  int residue_;
  int first_position_;
  int max_length_ = 0;
  int d_key_;
  int d_value_;
  const Type* call_keys_;  // of position first_position_
  int64_t call_stride_;
  const Type* cache_keys_ = nullptr;
  const Type* cache_values_ = nullptr;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_SOURCE_CUH_
