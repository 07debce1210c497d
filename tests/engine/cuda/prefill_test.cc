// Prefill through the whole network: the same bits however a prompt is cut, and whatever stands
// beside it. That they are the right ones, golden_test shows.

#include "engine/cuda/prefill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "engine/cuda/network_loader.h"
#include "engine/step.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/device_array.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/status_matchers.h"

namespace strided::cuda {
namespace {

using ::testing::HasSubstr;

constexpr int kLength = 90;
constexpr int kMaxRows = 100;

// Every kind of pattern; widths that vectors and fragments do not divide; strides that divide
// nothing.
constexpr const char* kConfig = R"({
  "context_length": 96, "position_axes": [12, 8], "n_layer": 3, "n_head": 3, "d_model": 72,
  "d_key": 16, "d_value": 24, "d_ff": 200, "vocab_size": 61,
  "attention": [
    {"heads": [{"pattern": "strided", "stride": 7}, {"pattern": "local", "window": 20},
               {"pattern": "local_strided", "stride": 7}]},
    {"pattern": "fixed", "stride": 11, "cells": 3, "spread": 3},
    {"heads": [{"pattern": "dense"}, {"pattern": "previous_block", "stride": 13},
               {"pattern": "summary", "stride": 11, "cells": 2, "spread": 3}]}]})";

// Sequences with caches, in slots 0, 1, ...; a loaded network to prefill them with.
class PrefillRunner {
 public:
  PrefillRunner(const RandomModel& model, WeightFormat format, int slots)
      : config_(model.config),
        network_(*LoadedNetwork::Load(model.config, model.weights, format)),
        prefill_(
            *Prefill::Create(config_, network_.view(), {.max_rows = kMaxRows}, kDefaultStream)) {
    std::vector<int64_t> offsets;
    int64_t bytes = 0;
    for (const auto& heads : config_.attention) {
      for (const AttentionPattern& pattern : heads) {
        offsets.push_back(bytes);
        bytes += int64_t{HeadRows::Of(pattern).Rows(kLength)} * (config_.d_key + config_.d_value) *
                 OperandBytes(OperandOf(format));
      }
    }
    offsets_ = ToDevice(offsets);
    start_ = ToDevice(network_.StartVector({}));
    std::vector<DeviceSequence> sequences;
    for (int slot = 0; slot < slots; ++slot) {
      caches_.push_back(
          ToDevice(std::vector<std::byte>(static_cast<size_t>(bytes), std::byte{0xFF})));
      DeviceSequence& sequence = sequences.emplace_back();
      sequence.cache = caches_.back().data();
      sequence.head_offsets = offsets_.data();
      sequence.start = start_.data();
      sequence.max_length = kLength;
    }
    sequences_ = ToDevice(sequences);
  }

  // The logits of all rows [rows][vocab], asked for `piece` rows at a time.
  std::vector<float> Run(const std::vector<PrefillRun>& runs, int piece = kMaxRows) {
    const absl::Status status = prefill_.Run(runs, sequences_.data(), kDefaultStream);
    EXPECT_TRUE(status.ok()) << status;
    int rows = 0;
    for (const PrefillRun& run : runs) rows += static_cast<int>(run.inputs.size());
    std::vector<int32_t> wanted(static_cast<size_t>(rows));
    const auto width = static_cast<size_t>(config_.vocab_size);
    const auto out = ToDevice(std::vector<float>(wanted.size() * width));
    std::iota(wanted.begin(), wanted.end(), 0);
    for (int first = 0; first < rows; first += piece) {
      const auto count = static_cast<size_t>(std::min(piece, rows - first));
      const absl::Status logits =
          prefill_.Logits(std::span(wanted).subspan(static_cast<size_t>(first), count),
                          out.data() + static_cast<size_t>(first) * width, kDefaultStream);
      EXPECT_TRUE(logits.ok()) << logits;
    }
    return FromDevice(out);
  }

  absl::Status TryRun(const std::vector<PrefillRun>& runs) {
    return prefill_.Run(runs, sequences_.data(), kDefaultStream);
  }

 private:
  ModelConfig config_;
  LoadedNetwork network_;
  Prefill prefill_;
  DeviceBuffer<int64_t> offsets_;
  DeviceBuffer<float> start_;
  std::vector<DeviceBuffer<std::byte>> caches_;
  DeviceBuffer<DeviceSequence> sequences_;
};

std::vector<int32_t> InputsOf(int seed) {
  std::vector<int32_t> inputs = {kStartInput};
  for (int i = 1; i < kLength; ++i) inputs.push_back((i * i + seed) % 61);
  return inputs;
}

// The logits of a sequence that is run `rows` positions a call.
std::vector<float> RunInCalls(PrefillRunner& runner, int slot, std::span<const int32_t> inputs,
                              int rows) {
  std::vector<float> all;
  for (int first = 0; first < kLength; first += rows) {
    const int count = std::min(rows, kLength - first);
    const std::vector<float> logits = runner.Run(
        {{slot, first, inputs.subspan(static_cast<size_t>(first), static_cast<size_t>(count))}});
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

class PrefillTest : public ::testing::TestWithParam<WeightFormat> {
 protected:
  void SetUp() override {
    if (!HasCudaDevice()) GTEST_SKIP() << "no CUDA device";
  }
};

TEST_P(PrefillTest, LogitsDoNotDependOnTheCut) {
  const RandomModel model = MakeRandomModel(SmallConfig(kConfig), 1);
  const std::vector<int32_t> inputs = InputsOf(3);
  PrefillRunner whole(model, GetParam(), 1);
  const std::vector<float> expected = RunInCalls(whole, 0, inputs, kLength);
  for (const int rows : {1, 6, 7, 8, 11, 64}) {
    PrefillRunner cut(model, GetParam(), 1);
    EXPECT_TRUE(RunInCalls(cut, 0, inputs, rows) == expected) << rows << " rows a call";
  }
}

TEST_P(PrefillTest, LogitsDoNotDependOnCompanyOrPieces) {
  const RandomModel model = MakeRandomModel(SmallConfig(kConfig), 1);
  const std::vector<int32_t> inputs = InputsOf(3);
  const std::vector<int32_t> others = InputsOf(4);
  PrefillRunner alone(model, GetParam(), 1);
  const std::vector<float> expected = RunInCalls(alone, 0, inputs, kLength);
  PrefillRunner runner(model, GetParam(), 3);
  const std::span<const int32_t> other(others);
  std::vector<float> logits =
      runner.Run({{2, 0, other.first(4)}, {1, 0, inputs}, {0, 0, other.first(5)}}, 17);
  logits.erase(logits.begin(), logits.begin() + std::ptrdiff_t{4} * 61);
  logits.resize(expected.size());
  EXPECT_TRUE(logits == expected);
}

INSTANTIATE_TEST_SUITE_P(Formats, PrefillTest,
                         ::testing::Values(WeightFormat::kFloat32, WeightFormat::kFloat16,
                                           WeightFormat::kBfloat16, WeightFormat::kInt8,
                                           WeightFormat::kFloat8),
                         [](const auto& format) {
                           return std::string(WeightFormatName(format.param));
                         });

using PrefillLimitsTest = CudaTest;

TEST_F(PrefillLimitsTest, MoreRowsThanACallTakesAreRefused) {
  const RandomModel model = MakeRandomModel(SmallConfig(kConfig), 1);
  PrefillRunner runner(model, WeightFormat::kBfloat16, 2);
  const std::vector<int32_t> inputs = InputsOf(3);
  EXPECT_THAT(runner.TryRun({{0, 0, inputs}, {1, 0, inputs}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("180 rows")));
  EXPECT_THAT(runner.TryRun({}), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace strided::cuda
