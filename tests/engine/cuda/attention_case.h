// One layer's attention over whole sequences: random queries, keys and values, the results of the
// prefill kernels for any cut, and those of a plain computation in double.

#ifndef STRIDED_TESTS_ENGINE_CUDA_ATTENTION_CASE_H_
#define STRIDED_TESTS_ENGINE_CUDA_ATTENTION_CASE_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "engine/cache/cache_bytes.h"
#include "engine/cuda/kernels/narrow_keys.h"
#include "engine/cuda/kernels/prefill_attention.h"
#include "engine/cuda/kernels/store_keys.h"
#include "engine/model/attention_pattern.h"
#include "tests/engine/cuda/device_array.h"
#include "tests/engine/cuda/int8_row.h"

namespace strided::cuda {

struct AttentionShape {
  std::vector<AttentionPattern> heads;
  int d_key = 16;
  int d_value = 16;
  int length = 0;      // positions that are run
  int max_length = 0;  // N
  Operand operand = Operand::kBfloat16;
  bool int8_caches = false;
  int element_bytes() const { return int8_caches ? 1 : OperandBytes(operand); }
};

class AttentionCase {
 public:
  struct Result {
    std::vector<float> mixed;      // [length][head][d_value]
    std::vector<std::byte> cache;  // as it is after the last position
  };

  AttentionCase(const AttentionShape& shape, uint32_t seed)
      : shape_(shape),
        width_(2 * shape.d_key + shape.d_value),
        row_width_(width_ * static_cast<int>(shape.heads.size())),
        qkv_(Rounded(RandomFloats(Size(row_width_) * Size(shape.length), seed), shape.operand)),
        kept_(qkv_) {
    int64_t bytes = 0;
    for (const AttentionPattern& pattern : shape.heads) {
      heads_.push_back(HeadRows::Of(pattern));
      offsets_.push_back(bytes);
      bytes += HeadCacheBytes(heads_.back().Rows(shape.max_length), shape.d_key, shape.d_value,
                              shape.element_bytes());
    }
    if (shape.int8_caches) RoundKept();
    cache_bytes_ = static_cast<size_t>(bytes);
  }

  const AttentionShape& shape() const { return shape_; }
  int row_width() const { return row_width_; }
  int stride() const { return (row_width_ + 7) / 8 * 8; }
  int mixed_width() const { return static_cast<int>(heads_.size()) * shape_.d_value; }
  float scale() const { return 1 / std::sqrt(static_cast<float>(shape_.d_key)); }
  const std::vector<HeadRows>& heads() const { return heads_; }
  const std::vector<int64_t>& offsets() const { return offsets_; }
  // Not a number, wherever nothing has been written.
  std::vector<std::byte> EmptyCache() const {
    return std::vector<std::byte>(cache_bytes_, std::byte{0xFF});
  }
  // As it is once the positions up to `last` have been written, in their order.
  std::vector<std::byte> CacheAfter(int last) const {
    std::vector<std::byte> cache = EmptyCache();
    for (int position = 0; position <= last; ++position) {
      for (size_t head = 0; head < heads_.size(); ++head) {
        for (const int row : {heads_[head].Home(position, shape_.max_length),
                              heads_[head].SecondHome(position, shape_.max_length)}) {
          if (row >= 0) Write(position, head, row, cache);
        }
      }
    }
    return cache;
  }
  // Its keys and values [head][key, value], in the operand's type.
  std::vector<std::byte> FreshOf(int position) const {
    const int width = shape_.d_key + shape_.d_value;
    const auto element = static_cast<size_t>(OperandBytes(shape_.operand));
    std::vector<std::byte> fresh(heads_.size() * Size(width) * element);
    for (size_t head = 0; head < heads_.size(); ++head) {
      for (int i = 0; i < width; ++i) {
        StoreOperand(Row(position, head)[shape_.d_key + i], shape_.operand,
                     fresh.data() + (head * Size(width) + Size(i)) * element);
      }
    }
    return fresh;
  }
  // Its queries [head][d_key].
  std::vector<float> QueriesOf(int position) const {
    std::vector<float> queries;
    for (size_t head = 0; head < heads_.size(); ++head) {
      const float* const query = Row(position, head);
      queries.insert(queries.end(), query, query + shape_.d_key);
    }
    return queries;
  }
  std::vector<float> RowsOf(int first, int rows) const {
    const auto begin = qkv_.begin() + int64_t{first} * row_width_;
    return {begin, begin + int64_t{rows} * row_width_};
  }

  // softmax(scale q . K_S) V_S over the pattern's keys, in their order.
  std::vector<double> Expected() const {
    std::vector<double> mixed(Size(shape_.length) * Size(mixed_width()));
    for (int query = 0; query < shape_.length; ++query) {
      for (size_t head = 0; head < heads_.size(); ++head) {
        AttendTo(query, head,
                 mixed.data() + Size(query) * Size(mixed_width()) + head * Size(shape_.d_value));
      }
    }
    return mixed;
  }

 private:
  static size_t Size(int count) { return static_cast<size_t>(count); }
  const float* Row(int position, size_t head) const {
    return qkv_.data() + int64_t{position} * row_width_ + static_cast<int64_t>(head) * width_;
  }
  // A position's key and value, to a row of a head's cache.
  void Write(int position, size_t head, int row, std::vector<std::byte>& cache) const {
    if (shape_.int8_caches) return WriteInt8(position, head, row, cache);
    const int element = OperandBytes(shape_.operand);
    const int64_t values = int64_t{heads_[head].Rows(shape_.max_length)} * shape_.d_key;
    for (int i = 0; i < shape_.d_key + shape_.d_value; ++i) {
      const bool is_key = i < shape_.d_key;
      const int64_t at = is_key ? int64_t{row} * shape_.d_key + i
                                : values + int64_t{row} * shape_.d_value + i - shape_.d_key;
      StoreOperand(Row(position, head)[shape_.d_key + i], shape_.operand,
                   cache.data() + offsets_[head] + at * element);
    }
  }
  // A position's key and value in a head, of `rows`.
  template <typename T>
  std::span<T> KeyOf(T* rows, int position, size_t head) const {
    return {rows + (Row(position, head) - qkv_.data()) + shape_.d_key, Size(shape_.d_key)};
  }
  template <typename T>
  std::span<T> ValueOf(T* rows, int position, size_t head) const {
    return {KeyOf(rows, position, head).data() + shape_.d_key, Size(shape_.d_value)};
  }
  static void RoundToInt8(std::span<float> row) {
    const Int8Row narrow(row);
    for (size_t i = 0; i < row.size(); ++i) {
      row[i] = narrow.scale * static_cast<float>(narrow.elements[i]);
    }
  }
  void RoundKept() {
    for (int position = 0; position < shape_.length; ++position) {
      for (size_t head = 0; head < heads_.size(); ++head) {
        RoundToInt8(KeyOf(kept_.data(), position, head));
        RoundToInt8(ValueOf(kept_.data(), position, head));
      }
    }
  }
  void WriteInt8(int position, size_t head, int row, std::vector<std::byte>& cache) const {
    const int64_t rows = heads_[head].Rows(shape_.max_length);
    const Int8Row key(KeyOf(qkv_.data(), position, head));
    const Int8Row value(ValueOf(qkv_.data(), position, head));
    std::byte* const keys = cache.data() + offsets_[head];
    std::byte* const values = keys + rows * shape_.d_key;
    std::byte* const scales = values + rows * shape_.d_value + int64_t{row} * 2 * sizeof(float);
    std::memcpy(keys + int64_t{row} * shape_.d_key, key.elements.data(), key.elements.size());
    std::memcpy(values + int64_t{row} * shape_.d_value, value.elements.data(),
                value.elements.size());
    std::memcpy(scales, &key.scale, sizeof key.scale);
    std::memcpy(scales + sizeof key.scale, &value.scale, sizeof value.scale);
  }
  void AttendTo(int query, size_t head, double* out) const {
    const std::vector<int> keys = shape_.heads[head].KeysOf(query);
    std::vector<double> weights;
    double largest = -std::numeric_limits<double>::infinity();
    for (const int key : keys) {
      double score = 0;
      for (int i = 0; i < shape_.d_key; ++i) {
        score += double{Row(query, head)[i]} * KeyOf(kept_.data(), key, head)[Size(i)];
      }
      weights.push_back(score * double{scale()});
      largest = std::max(largest, weights.back());
    }
    double sum = 0;
    for (double& weight : weights) sum += weight = std::exp(weight - largest);
    for (size_t k = 0; k < keys.size(); ++k) {
      for (int i = 0; i < shape_.d_value; ++i) {
        out[i] += weights[k] / sum * double{ValueOf(kept_.data(), keys[k], head)[Size(i)]};
      }
    }
  }

  AttentionShape shape_;
  int width_;      // of a head's query, key and value
  int row_width_;  // of all heads
  std::vector<float> qkv_;
  std::vector<float> kept_;  // the same, keys and values as caches hold them
  std::vector<HeadRows> heads_;
  std::vector<int64_t> offsets_;
  size_t cache_bytes_ = 0;
};

// Positions of one case that are run in one call.
struct AttentionPart {
  const AttentionCase* sequence = nullptr;
  int first = 0;
  int rows = 0;
};

// Runs calls over the same sequences, which keep their caches. All are of one shape.
class AttentionRunner {
 public:
  explicit AttentionRunner(const std::vector<const AttentionCase*>& cases) : cases_(cases) {
    const AttentionCase& first = *cases.front();
    heads_ = ToDevice(first.heads());
    offsets_ = ToDevice(first.offsets());
    std::vector<DeviceSequence> sequences;
    for (const AttentionCase* one : cases) {
      caches_.push_back(ToDevice(one->EmptyCache()));
      DeviceSequence& sequence = sequences.emplace_back();
      sequence.cache = caches_.back().data();
      sequence.head_offsets = offsets_.data();
      sequence.max_length = one->shape().max_length;
    }
    sequences_ = ToDevice(sequences);
  }

  // The rows' results [rows of all parts][head][d_value].
  std::vector<float> Run(const std::vector<AttentionPart>& parts) {
    const AttentionCase& first = *cases_.front();
    const AttentionShape& shape = first.shape();
    std::vector<RowRun> runs;
    std::vector<PrefillRow> rows;
    std::vector<float> values;
    for (const AttentionPart& part : parts) {
      const auto slot = std::find(cases_.begin(), cases_.end(), part.sequence) - cases_.begin();
      runs.push_back(
          {static_cast<int32_t>(slot), part.first, static_cast<int32_t>(rows.size()), part.rows});
      rows.resize(rows.size() + static_cast<size_t>(part.rows),
                  {.run = static_cast<int32_t>(runs.size() - 1)});
      const std::vector<float> own = part.sequence->RowsOf(part.first, part.rows);
      values.insert(values.end(), own.begin(), own.end());
    }
    const auto device_runs = ToDevice(runs);
    const auto device_rows = ToDevice(rows);
    const auto qkv = ToDevice(EncodeRows(values, first.row_width(), first.stride(), shape.operand));
    const int stride = (first.mixed_width() + 1) / 2 * 2;
    const size_t bytes = rows.size() * static_cast<size_t>(stride * OperandBytes(shape.operand));
    const auto mixed = ToDevice(std::vector<std::byte>(bytes, std::byte{0xFF}));
    const size_t row_heads = rows.size() * shape.heads.size();
    const auto partial =
        ToDevice(std::vector<float>(row_heads * (static_cast<size_t>(shape.d_value) + 2), NAN));

    PrefillAttention attention;
    attention.rows = {device_runs.data(), device_rows.data(), static_cast<int>(runs.size()),
                      static_cast<int>(rows.size())};
    attention.sequences = sequences_.data();
    attention.heads = heads_.data();
    attention.n_head = static_cast<int>(shape.heads.size());
    attention.d_key = shape.d_key;
    attention.d_value = shape.d_value;
    attention.scale = first.scale();
    attention.qkv = qkv.data();
    attention.qkv_stride = first.stride();
    attention.mixed = mixed.data();
    attention.mixed_stride = stride;
    attention.partial = partial.data();
    const auto scales = ToDevice(std::vector<float2>(row_heads));
    if (shape.int8_caches) attention.scales = scales.data();
    absl::Status status;
    if (shape.int8_caches) {
      status = LaunchRoundKeys(attention, shape.operand, false, kDefaultStream);
      EXPECT_TRUE(status.ok()) << status;
    }
    status = LaunchPrefillAttention(attention, shape.operand, PlanAttention(first.heads(), runs),
                                    false, kDefaultStream);
    EXPECT_TRUE(status.ok()) << status;
    status = shape.int8_caches
                 ? LaunchStoreNarrowKeys(attention, shape.operand, true, kDefaultStream)
                 : LaunchStoreKeys(attention, /*norm=*/{}, shape.operand, true, kDefaultStream);
    EXPECT_TRUE(status.ok()) << status;
    return DecodeRows(FromDevice(mixed), first.mixed_width(), stride, shape.operand);
  }

  std::vector<std::byte> Cache(size_t slot) const { return FromDevice(caches_[slot]); }

 private:
  std::vector<const AttentionCase*> cases_;
  DeviceBuffer<HeadRows> heads_;
  DeviceBuffer<int64_t> offsets_;
  std::vector<DeviceBuffer<std::byte>> caches_;
  DeviceBuffer<DeviceSequence> sequences_;
};

// The whole sequence, in calls of so many rows: sizes[i mod size].
inline AttentionCase::Result RunInCalls(const AttentionCase& one, const std::vector<int>& sizes) {
  AttentionRunner runner({&one});
  AttentionCase::Result result;
  int first = 0;
  for (size_t call = 0; first < one.shape().length; ++call) {
    const int rows = std::min(sizes[call % sizes.size()], one.shape().length - first);
    const std::vector<float> mixed = runner.Run({{&one, first, rows}});
    result.mixed.insert(result.mixed.end(), mixed.begin(), mixed.end());
    first += rows;
  }
  result.cache = runner.Cache(0);
  return result;
}

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_ENGINE_CUDA_ATTENTION_CASE_H_
