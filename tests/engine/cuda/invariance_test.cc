// Whatever stands beside it in a step, in whichever slot, with or without graphs, however many
// steps a call: a sequence draws the tokens, with the log-probability bits, that it draws alone.

#include <gtest/gtest.h>

#include <bit>
#include <random>

#include "tests/engine/cuda/cuda_runner.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"

namespace strided::cuda {
namespace {

using Draws = std::vector<std::pair<int32_t, uint32_t>>;  // token, bits of its log-probability

// Patterns with and without several chunks of keys, widths that vectors and fragments do not
// divide.
constexpr const char* kWideConfig = R"({
  "context_length": 640, "position_axes": [640], "n_layer": 4, "n_head": 4, "d_model": 96,
  "d_key": 16, "d_value": 32, "d_ff": 208, "vocab_size": 61,
  "attention": [
    {"pattern": "local", "window": 40},
    {"pattern": "fixed", "stride": 32, "cells": 8, "spread": 4},
    {"heads": [{"pattern": "dense"}, {"pattern": "strided", "stride": 24},
               {"pattern": "local_strided", "stride": 24}, {"pattern": "previous_block", "stride": 48}]},
    {"heads": [{"pattern": "block", "stride": 300}, {"pattern": "summary", "stride": 16, "cells": 4, "spread": 2},
               {"pattern": "dense"}, {"pattern": "local", "window": 400}]}]})";

SequenceSpec SpecOf(int index, int length) {
  SequenceSpec spec;
  spec.max_length = length;
  spec.seed = static_cast<uint64_t>(1000 + index);
  if (index % 3 == 1) spec.sampling.top_k = 7;
  if (index % 5 == 2) spec.sampling.repetition_penalty = 1.2;
  return spec;
}

StepRow DrawRow(const Slot& slot, int position, int32_t input, int steps) {
  StepRow row;
  row.slot = slot.index();
  row.position = position;
  row.input = input;
  row.output = RowOutput::kSample;
  row.steps = steps;
  return row;
}

// Sequence i of the batch draws its whole length, `lengths[i]`, `steps` to a call.
std::vector<Draws> DrawBatch(Executor& executor, const std::vector<int>& indices,
                             const std::vector<int>& lengths, int steps) {
  struct Running {
    Slot slot;
    Draws draws;
    size_t index;
  };
  std::vector<Draws> all(indices.size());
  std::vector<Running> running;
  for (size_t i = 0; i < indices.size(); ++i) {
    absl::StatusOr<Slot> slot = executor.StartSequence(SpecOf(indices[i], lengths[i]));
    EXPECT_TRUE(slot.ok()) << slot.status();
    running.push_back({*std::move(slot), {}, i});
  }
  while (!running.empty()) {
    StepPlan plan;
    for (const Running& sequence : running) {
      const int position = static_cast<int>(sequence.draws.size());
      const int32_t input = position == 0 ? kStartInput : sequence.draws.back().first;
      plan.rows.push_back(DrawRow(sequence.slot, position, input,
                                  std::min(steps, lengths[sequence.index] - position)));
    }
    const absl::StatusOr<StepResult> results = executor.Run(plan);
    EXPECT_TRUE(results.ok()) << results.status();
    size_t next = 0;
    for (size_t r = 0; r < running.size(); ++r) {
      for (int step = 0; step < plan.rows[r].steps; ++step) {
        const TokenResult& result = (*results)[next++];
        EXPECT_TRUE(result.finite);
        running[r].draws.emplace_back(result.token, std::bit_cast<uint32_t>(result.log_prob));
      }
    }
    std::vector<Running> left;
    for (Running& sequence : running) {
      const size_t i = sequence.index;
      if (static_cast<int>(sequence.draws.size()) == lengths[i]) {
        all[i] = std::move(sequence.draws);
      } else {
        left.push_back(std::move(sequence));
      }
    }
    running = std::move(left);
  }
  return all;
}

class InvarianceTest : public CudaTest, public testing::WithParamInterface<WeightFormat> {};

TEST_P(InvarianceTest, CompanyStepsAndGraphsDoNotChangeABit) {
  const RandomModel model = MakeRandomModel(SmallConfig(kWideConfig), 3);
  CudaOptions options = TestOptions(GetParam());
  const auto with_graphs = MakeCudaExecutor(model.config, model.weights, options);
  options.use_graphs = false;
  const auto without_graphs = MakeCudaExecutor(model.config, model.weights, options);
  const int length = model.config.context_length;
  std::vector<Draws> alone;
  for (int index = 0; index < 6; ++index) {
    alone.push_back(DrawBatch(*with_graphs, {index}, {length}, 32).front());
  }
  EXPECT_EQ(DrawBatch(*without_graphs, {4}, {length}, 1).front(), alone[4]);
  std::mt19937 random(11);
  for (const int batch : {2, 3, 8, 9, 17, 40, 64, 100, 256}) {
    std::vector<int> indices;
    std::vector<int> lengths;
    for (int i = 0; i < batch; ++i) {
      indices.push_back(i < 6 ? i : 6 + static_cast<int>(random() % 1000));
      lengths.push_back(i < 6 ? length : 1 + static_cast<int>(random() % 200));
    }
    // At every slot: the six stand elsewhere each time.
    for (size_t i = 0; i < indices.size(); ++i) {
      const size_t other = random() % indices.size();
      std::swap(indices[i], indices[other]);
      std::swap(lengths[i], lengths[other]);
    }
    Executor& executor = batch % 2 == 0 ? *with_graphs : *without_graphs;
    const std::vector<Draws> together =
        DrawBatch(executor, indices, lengths, 1 + static_cast<int>(random() % 32));
    for (size_t i = 0; i < indices.size(); ++i) {
      if (indices[i] >= 6) continue;
      EXPECT_EQ(together[i], alone[static_cast<size_t>(indices[i])])
          << "sequence " << indices[i] << " in a batch of " << batch;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, InvarianceTest,
                         testing::Values(WeightFormat::kFloat32, WeightFormat::kFloat16,
                                         WeightFormat::kBfloat16, WeightFormat::kInt8,
                                         WeightFormat::kFloat8),
                         [](const auto& format) {
                           return std::string(WeightFormatName(format.param));
                         });

}  // namespace
}  // namespace strided::cuda
