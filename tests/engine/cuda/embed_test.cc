// The first kernel of a decode step against sums in double.

#include "engine/cuda/kernels/embed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/step.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/device_array.h"

namespace strided::cuda {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr int kVocab = 11;
constexpr float kUntouched = -7;

// Tables with axes of the given sizes, and one start vector.
class EmbedCase {
 public:
  EmbedCase(int d_model, std::vector<int> axes, PositionRule rule)
      : d_model_(d_model),
        axes_(std::move(axes)),
        rule_(rule),
        tokens_(Random(kVocab, 1)),
        start_(Random(1, 2)),
        device_tokens_(ToDevice(tokens_)),
        device_start_(ToDevice(start_)) {
    for (size_t axis = 0; axis < axes_.size(); ++axis) {
      positions_.push_back(Random(axes_[axis], 3 + static_cast<uint32_t>(axis)));
      device_positions_.push_back(ToDevice(positions_.back()));
    }
  }

  // [rows][d_model]; all sequences share the start vector. `samplers` by slot; the others observe
  // nothing.
  std::vector<float> Run(const std::vector<DecodeRow>& rows,
                         const std::vector<DeviceSampler>& samplers = {}) const {
    DeviceTables tables;
    tables.token_embedding = device_tokens_.data();
    tables.axes = static_cast<int>(axes_.size());
    tables.position_rule = rule_;
    for (size_t axis = 0; axis < axes_.size(); ++axis) {
      tables.position_axes[axis] = axes_[axis];
      tables.position_embedding[axis] = device_positions_[axis].data();
    }
    std::vector<DeviceSequence> sequences(rows.size());
    for (DeviceSequence& sequence : sequences) sequence.start = device_start_.data();
    for (size_t slot = 0; slot < samplers.size(); ++slot) sequences[slot].sampler = samplers[slot];
    const auto device_sequences = ToDevice(sequences);
    const auto states = ToDevice(rows);
    const auto hidden =
        ToDevice(std::vector<float>(rows.size() * static_cast<size_t>(d_model_), kUntouched));
    const absl::Status status =
        LaunchEmbed(tables, states.data(), device_sequences.data(), static_cast<int>(rows.size()),
                    d_model_, hidden.data(), kDefaultStream);
    EXPECT_TRUE(status.ok()) << status;
    return FromDevice(hidden);
  }

  // config.json's position_axes and position_rule, for one row.
  std::vector<double> Expected(const DecodeRow& row) const {
    const bool is_token = row.input != kStartInput;
    std::vector<double> sum;
    for (int i = 0; i < d_model_; ++i) {
      sum.push_back(double{is_token ? At(tokens_, row.input, i) : At(start_, 0, i)});
    }
    if (!is_token && rule_ == PositionRule::kPrevious) return sum;
    int rest = rule_ == PositionRule::kPrevious ? row.position - 1 : row.position;
    for (size_t axis = axes_.size(); axis-- > 0;) {  // C order: the last runs fastest
      for (int i = 0; i < d_model_; ++i) {
        sum[static_cast<size_t>(i)] += double{At(positions_[axis], rest % axes_[axis], i)};
      }
      rest /= axes_[axis];
    }
    return sum;
  }

 private:
  std::vector<float> Random(int rows, uint32_t seed) const {
    return RandomFloats(RowAt(rows), seed);
  }
  float At(const std::vector<float>& table, int row, int column) const {
    return table[RowAt(row) + static_cast<size_t>(column)];
  }
  // Where row `row` of a table begins.
  size_t RowAt(int row) const { return static_cast<size_t>(row) * static_cast<size_t>(d_model_); }

  int d_model_;
  std::vector<int> axes_;
  PositionRule rule_;
  std::vector<float> tokens_;
  std::vector<float> start_;
  std::vector<std::vector<float>> positions_;
  DeviceBuffer<float> device_tokens_;
  DeviceBuffer<float> device_start_;
  std::vector<DeviceBuffer<float>> device_positions_;
};

DecodeRow RowOf(int slot, int position, int32_t input) {
  DecodeRow row;
  row.slot = slot;
  row.position = position;
  row.input = input;
  return row;
}

using EmbedTest = CudaTest;

TEST_F(EmbedTest, ARowIsItsTokenPlusOneRowOfEachAxis) {
  for (const PositionRule rule : {PositionRule::kPrevious, PositionRule::kCurrent}) {
    for (const std::vector<int>& axes :
         {std::vector<int>{60}, {5, 12}, {3, 4, 5}, {2, 2, 2, 2, 1, 2, 2, 1}}) {
      for (const int d_model : {1, 72, 300}) {
        const EmbedCase embed(d_model, axes, rule);
        const std::vector<DecodeRow> rows = {RowOf(0, 0, kStartInput), RowOf(1, 1, 3),
                                             RowOf(2, 17, 10), RowOf(3, 59, 0)};
        std::vector<double> expected;
        for (const DecodeRow& row : rows) {
          const std::vector<double> one = embed.Expected(row);
          expected.insert(expected.end(), one.begin(), one.end());
        }
        ExpectNear(embed.Run(rows), expected, 1e-6);
      }
    }
  }
}

TEST_F(EmbedTest, IdleRowsAreLeft) {
  const EmbedCase embed(40, {60}, PositionRule::kPrevious);
  const std::vector<float> hidden = embed.Run({RowOf(-1, 5, 3), RowOf(0, 5, 3), RowOf(-1, 0, 0)});
  const auto idle = std::span(hidden).first(40);
  const auto busy = std::span(hidden).subspan(40, 40);
  EXPECT_THAT(idle, Each(kUntouched));
  ExpectNear(busy, embed.Expected(RowOf(0, 5, 3)), 1e-6);
  EXPECT_THAT(std::span(hidden).last(40), Each(kUntouched));
}

TEST_F(EmbedTest, InputsEnterTheHistoryOfTheirSequence) {
  const EmbedCase embed(8, {60}, PositionRule::kPrevious);
  const auto first = ToDevice(std::vector<int32_t>(kVocab, kUnseenToken));
  const auto second = ToDevice(std::vector<int32_t>(kVocab, kUnseenToken));
  DeviceSampler of_first;
  of_first.history = first.data();
  of_first.prompt_length = 2;
  DeviceSampler of_second;
  of_second.history = second.data();
  const std::vector<DeviceSampler> samplers = {of_first, of_second, DeviceSampler{}};
  // x(0), x(1) are prompt; x(2) = x(3) = 4 are not. The second has a start and no prompt.
  embed.Run({RowOf(0, 1, 9), RowOf(1, 0, kStartInput), RowOf(2, 7, 5)}, samplers);
  embed.Run({RowOf(0, 2, 4), RowOf(1, 1, 9), RowOf(-1, 3, 1)}, samplers);
  embed.Run({RowOf(0, 3, 4), RowOf(-1, 2, 1), RowOf(2, 8, 5)}, samplers);
  embed.Run({RowOf(0, 4, 4), RowOf(1, 2, 10), RowOf(2, 9, 5)}, samplers);
  constexpr int32_t kNot = kUnseenToken;
  EXPECT_THAT(FromDevice(first),
              ElementsAre(kNot, kNot, kNot, kNot, 2, kNot, kNot, kNot, kNot, 0, kNot));
  EXPECT_THAT(FromDevice(second),
              ElementsAre(kNot, kNot, kNot, kNot, kNot, kNot, kNot, kNot, kNot, 1, 1));
}

}  // namespace
}  // namespace strided::cuda
