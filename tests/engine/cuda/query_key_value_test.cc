// The product that makes queries, keys and values: each where attention will look for it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cache/cache_layout.h"
#include "engine/cuda/kernels/decode_product.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/device_array.h"
#include "tests/engine/cuda/packed_matrix.h"
#include "tests/engine/cuda/some_patterns.h"

namespace strided::cuda {
namespace {

constexpr int kFirstHead = 5;  // the layer's: others stand before it in the offsets
constexpr int kMultiprocessors = 132;
constexpr float kNothing = NAN;  // what is not written

struct Widths {
  int d_key = 0;
  int d_value = 0;
};

struct Row {
  int max_length = 0;  // N; 0: the row is idle
  int position = 0;
};

// What enters the product.
struct Inputs {
  int count = 72;       // of a row
  bool normed = false;  // by a norm that leaves them as they are: half ones, half minus ones
};

std::vector<float> RandomInputs(size_t rows, const Inputs& inputs) {
  const size_t count = static_cast<size_t>(inputs.count);
  std::vector<float> values = RandomFloats(rows * count, 2);
  if (!inputs.normed) return values;
  for (size_t r = 0; r < rows; ++r) {
    const auto row = std::span(values).subspan(r * count, count);
    std::vector<float> sorted(row.begin(), row.end());
    std::ranges::sort(sorted);
    for (float& value : row) value = value < sorted[count / 2] ? -1.0F : 1.0F;
  }
  return values;
}

// A layer of one head per pattern. Row r is the sequence in slot `slots - 1 - r`.
class ScatterCase {
 public:
  ScatterCase(WeightFormat format, const Widths& widths, std::vector<Row> rows,
              const Inputs& inputs = {})
      : inputs_(inputs),
        format_(format),
        operand_(OperandOf(format)),
        widths_(widths),
        rows_(std::move(rows)),
        patterns_(PatternsOfEveryKind({1, 7, 64})),
        matrix_(static_cast<int>(patterns_.size()) * HeadWidth(), inputs.count, format, 1),
        input_(Rounded(RandomInputs(rows_.size(), inputs), operand_)) {
    std::vector<HeadRows> heads;
    for (const AttentionPattern& pattern : patterns_) heads.push_back(HeadRows::Of(pattern));
    heads_ = ToDevice(heads);
  }

  void Run() {
    const auto slots = rows_.size();
    std::vector<DeviceSequence> sequences(slots);
    std::vector<DecodeRow> states(slots);
    for (size_t r = 0; r < rows_.size(); ++r) {
      if (rows_[r].max_length == 0) continue;
      const size_t slot = slots - 1 - r;
      states[r].slot = static_cast<int32_t>(slot);
      states[r].position = rows_[r].position;
      offsets_.push_back(ToDevice(OffsetsOf(rows_[r].max_length)));
      sequences[slot].head_offsets = offsets_.back().data();
      sequences[slot].max_length = rows_[r].max_length;
      const auto bytes = static_cast<size_t>(OffsetsOf(rows_[r].max_length).back());
      caches_.push_back(ToDevice(std::vector<std::byte>(bytes, std::byte{0xFF})));
      sequences[slot].cache = caches_.back().data();
    }
    const auto device_sequences = ToDevice(sequences);
    const auto device_states = ToDevice(states);
    const auto hidden = ToDevice(input_);
    const auto queries = ToDevice(std::vector<float>(slots * QueryWidth(), kNothing));
    DecodeProduct product;
    product.format = format_;
    product.matrix = matrix_.view();
    product.rows = static_cast<int>(slots);
    product.normed = true;  // without a norm: rows as they are
    const auto ones = ToDevice(std::vector<float>(static_cast<size_t>(inputs_.count), 1));
    const auto zeros = ToDevice(std::vector<float>(static_cast<size_t>(inputs_.count), 0));
    if (inputs_.normed) product.norm = {ones.data(), zeros.data(), /*epsilon=*/0};
    product.hidden = hidden.data();
    const auto normed = ToDevice(std::vector<std::byte>(input_.size() * sizeof(float)));
    product.normed_rows = normed.data();
    product.output = ProductOutput::kQueryKeyValue;
    product.out = reinterpret_cast<std::byte*>(queries.data());
    product.row_states = device_states.data();
    product.sequences = device_sequences.data();
    product.heads = heads_.data();
    product.first_head = kFirstHead;
    product.n_head = static_cast<int>(patterns_.size());
    product.d_key = widths_.d_key;
    product.d_value = widths_.d_value;
    const absl::Status status = LaunchDecodeProduct(product, kMultiprocessors, kDefaultStream);
    ASSERT_TRUE(status.ok()) << status;
    queries_ = FromDevice(queries);
  }

  void ExpectEverythingInItsPlace() const {
    size_t next_cache = 0;
    for (size_t r = 0; r < rows_.size(); ++r) {
      if (rows_[r].max_length == 0) continue;
      const std::vector<double> sums = matrix_.Product(InputOf(r));
      SCOPED_TRACE(absl::StrCat(WeightFormatName(format_), ", row ", r, ": position ",
                                rows_[r].position, " of ", rows_[r].max_length));
      ExpectQueries(r, sums);
      const std::vector<float> cache =
          DecodeRows(FromDevice(caches_[next_cache++]), 1, 1, operand_);
      ExpectCache(cache, ExpectedCache(rows_[r], sums));
    }
  }

 private:
  int HeadWidth() const { return 2 * widths_.d_key + widths_.d_value; }
  std::span<const float> InputOf(size_t row) const {
    const auto inputs = static_cast<size_t>(inputs_.count);
    return std::span(input_).subspan(row * inputs, inputs);
  }
  size_t QueryWidth() const { return patterns_.size() * static_cast<size_t>(widths_.d_key); }

  // Bytes to each head's cache, with a gap before the layer's, and to the end.
  std::vector<int64_t> OffsetsOf(int max_length) const {
    std::vector<int64_t> offsets(kFirstHead, 0);
    int64_t next = 64;
    for (const AttentionPattern& pattern : patterns_) {
      offsets.push_back(next);
      next += int64_t{CacheLayout(pattern, max_length).rows()} * (widths_.d_key + widths_.d_value) *
              OperandBytes(operand_);
    }
    offsets.push_back(next);
    return offsets;
  }

  void ExpectQueries(size_t row, const std::vector<double>& sums) const {
    std::vector<double> expected;
    for (size_t head = 0; head < patterns_.size(); ++head) {
      const auto query = sums.begin() + static_cast<std::ptrdiff_t>(head) * HeadWidth();
      expected.insert(expected.end(), query, query + widths_.d_key);
    }
    ExpectNear(std::span(queries_).subspan(row * QueryWidth(), QueryWidth()), expected, 1e-4);
  }

  // Elements of the whole block; kNothing where nothing is written.
  std::vector<float> ExpectedCache(const Row& row, const std::vector<double>& sums) const {
    const std::vector<int64_t> offsets = OffsetsOf(row.max_length);
    const int64_t element = OperandBytes(operand_);
    std::vector<float> cache(static_cast<size_t>(offsets.back() / element), kNothing);
    for (size_t head = 0; head < patterns_.size(); ++head) {
      const CacheLayout layout(patterns_[head], row.max_length);
      const auto keys = cache.begin() + offsets[kFirstHead + head] / element;
      const auto values = keys + int64_t{layout.rows()} * widths_.d_key;
      const auto key =
          sums.begin() + static_cast<std::ptrdiff_t>(head) * HeadWidth() + widths_.d_key;
      for (const CacheHome& home : layout.HomesOf(row.position)) {
        std::copy_n(key, widths_.d_key, keys + int64_t{home.row} * widths_.d_key);
        std::copy_n(key + widths_.d_key, widths_.d_value,
                    values + int64_t{home.row} * widths_.d_value);
      }
    }
    return cache;
  }

  void ExpectCache(const std::vector<float>& actual, const std::vector<float>& expected) const {
    ASSERT_EQ(actual.size(), expected.size());
    const double limit = operand_ == Operand::kFloat32   ? 1e-5
                         : operand_ == Operand::kFloat16 ? 1e-3
                                                         : 8e-3;
    for (size_t i = 0; i < actual.size(); ++i) {
      ASSERT_EQ(std::isnan(actual[i]), std::isnan(expected[i]))
          << "element " << i << " is " << actual[i] << ", expected " << expected[i];
      if (std::isnan(expected[i])) continue;
      ASSERT_NEAR(actual[i], expected[i], limit * (1 + std::abs(expected[i]))) << "element " << i;
    }
  }

  Inputs inputs_;
  WeightFormat format_;
  Operand operand_;
  Widths widths_;
  std::vector<Row> rows_;
  std::vector<AttentionPattern> patterns_;
  PackedMatrix matrix_;
  std::vector<float> input_;  // [rows][inputs_.count]
  DeviceBuffer<HeadRows> heads_;
  std::vector<DeviceBuffer<int64_t>> offsets_;   // of the rows that are not idle
  std::vector<DeviceBuffer<std::byte>> caches_;  // beside offsets_
  std::vector<float> queries_;                   // [rows][head][d_key]
};

// Starts, ends and summary cells of blocks; sequences that end within one.
std::vector<Row> SomeRows() {
  return {{1, 0},    {50, 0},   {50, 49},  {0, 0},    {200, 5},   {200, 6},   {200, 7},
          {200, 63}, {200, 64}, {200, 69}, {0, 0},    {200, 127}, {200, 199}, {64, 63},
          {130, 62}, {130, 61}, {130, 60}, {130, 59}, {130, 1}};
}

using QueryKeyValueTest = CudaTest;

TEST_F(QueryKeyValueTest, KeysAndValuesComeToTheHomesOfTheirPatternsAlone) {
  for (const WeightFormat format : kWeightFormats) {
    for (const Widths& widths : {Widths{16, 8}, Widths{5, 3}}) {
      ScatterCase scatter(format, widths, SomeRows());
      scatter.Run();
      scatter.ExpectEverythingInItsPlace();
    }
  }
}

std::vector<Row> ManyRows() {
  std::vector<Row> rows;
  for (int copy = 0; copy < 7; ++copy) {
    for (const Row& row : SomeRows()) rows.push_back(row);
  }
  return rows;
}

// In tiles of many rows, from whole groups of inputs.
TEST_F(QueryKeyValueTest, KeysAndValuesOfManyRowsComeToTheirHomesToo) {
  for (const WeightFormat format : kWeightFormats) {
    for (const Widths& widths : {Widths{16, 8}, Widths{8, 32}}) {
      ScatterCase scatter(format, widths, ManyRows(), {.count = 128});
      scatter.Run();
      scatter.ExpectEverythingInItsPlace();
    }
  }
}

// In blocks of 16 rows, of the width that has a kernel of its own (decode_product_known.h).
TEST_F(QueryKeyValueTest, KeysAndValuesOfAKnownWidthComeToTheirHomesToo) {
  for (const WeightFormat format : kWeightFormats) {
    for (const Widths& widths : {Widths{16, 32}, Widths{8, 48}}) {
      ScatterCase scatter(format, widths, SomeRows(), {.count = 512, .normed = true});
      scatter.Run();
      scatter.ExpectEverythingInItsPlace();
    }
  }
}

// The same width at many rows, by warpgroups (decode_product_warpgroup.h).
TEST_F(QueryKeyValueTest, KeysAndValuesOfManyRowsOfAKnownWidthComeToTheirHomesToo) {
  for (const WeightFormat format : kWeightFormats) {
    for (const Widths& widths : {Widths{16, 32}, Widths{8, 48}}) {
      ScatterCase scatter(format, widths, ManyRows(), {.count = 512, .normed = true});
      scatter.Run();
      scatter.ExpectEverythingInItsPlace();
    }
  }
}

TEST_F(QueryKeyValueTest, AStepOfIdleRowsWritesNoCache) {
  ScatterCase scatter(WeightFormat::kBfloat16, {16, 8}, std::vector<Row>(9));
  scatter.Run();
  scatter.ExpectEverythingInItsPlace();
}

}  // namespace
}  // namespace strided::cuda
