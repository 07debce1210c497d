// The cluster path against the CPU's executor in float32, and against itself in any company.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <numbers>
#include <numeric>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cpu/cpu_executor.h"
#include "engine/cuda/kernels/cuda_status.h"
#include "engine/sampling/sampler.h"
#include "tests/engine/cuda/cuda_runner.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/draw_batch.h"
#include "tests/engine/cuda/log_prob_errors.h"
#include "tests/engine/cuda/sampling_cases.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/status_matchers.h"

namespace strided::cuda {
namespace {

constexpr int kLength = 150;  // more keys than the attention warps have at a time

struct Network {
  std::string name;
  std::string sizes;  // fields of the configuration
  CacheFormat caches = CacheFormat::kAuto;
  friend void PrintTo(const Network& network, std::ostream* out) { *out << network.name; }
};

const std::vector<Network>& Networks() {
  static const std::vector<Network> kNetworks = {
      {"cifar", R"("d_model": 256, "n_head": 2, "d_key": 64, "d_value": 128, "d_ff": 512)"},
      {"image", R"("d_model": 256, "n_head": 4, "d_key": 32, "d_value": 64, "d_ff": 512)"},
      {"text", R"("d_model": 256, "n_head": 4, "d_key": 64, "d_value": 64, "d_ff": 960)"},
      {"narrow", R"("d_model": 128, "n_head": 2, "d_key": 64, "d_value": 64, "d_ff": 512)"},
      {"narrow_heads", R"("d_model": 128, "n_head": 4, "d_key": 32, "d_value": 32, "d_ff": 512)"},
      {"narrowest", R"("d_model": 64, "n_head": 2, "d_key": 32, "d_value": 32, "d_ff": 256)"},
      {"wide_image", R"("d_model": 512, "n_head": 16, "d_key": 32, "d_value": 32, "d_ff": 2048)"},
      {"wide_text", R"("d_model": 512, "n_head": 8, "d_key": 64, "d_value": 64, "d_ff": 2000)"},
      {"cifar_int8_caches",
       R"("d_model": 256, "n_head": 2, "d_key": 64, "d_value": 128, "d_ff": 512)",
       CacheFormat::kInt8},
      {"image_int8_caches",
       R"("d_model": 256, "n_head": 4, "d_key": 32, "d_value": 64, "d_ff": 512)",
       CacheFormat::kInt8},
      {"text_int8_caches",
       R"("d_model": 256, "n_head": 4, "d_key": 64, "d_value": 64, "d_ff": 960)",
       CacheFormat::kInt8}};
  return kNetworks;
}

ModelConfig ConfigOf(const Network& network, absl::string_view attention, absl::string_view more) {
  return SmallConfig(
      absl::StrCat(R"({"context_length": 160, "position_axes": [10, 16], "vocab_size": 97, )",
                   network.sizes, more, R"(, "attention": [)", attention, "]}"));
}

CudaOptions ClusterOptions(const Network& network, WeightFormat format) {
  CudaOptions options = TestOptions(format, network.caches);
  options.decode_path = CudaDecodePath::kCluster;
  options.cache_capacity_bytes = int64_t{256} << 20;  // 256 sequences of the widest network
  return options;
}

bool HasClusters() {
  int major = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
  return major >= 9;
}

std::vector<int32_t> SomeTokens() {
  std::vector<int32_t> tokens;
  for (int i = 0; i < kLength; ++i) tokens.push_back((i * i * 7 + i) % 97);
  return tokens;
}

class ClusterStepTest : public CudaTest, public testing::WithParamInterface<Network> {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (HasCudaDevice() && !HasClusters()) GTEST_SKIP() << "no CUDA device with clusters";
  }

  // Decoded whole, and from the middle of a prompt on, as the CPU does in float32.
  void ExpectParity(const ModelConfig& config) {
    const RandomModel model = MakeRandomModel(config, 5, DType::kBfloat16);
    const std::vector<int32_t> tokens = SomeTokens();
    const LogProbs expected = ExactLogProbs(model, {});
    const auto executor = MakeCudaExecutor(model.config, model.weights,
                                           ClusterOptions(GetParam(), WeightFormat::kBfloat16));
    ASSERT_NE(executor, nullptr);
    const LogProbs decoded = AllLogProbs(*executor, tokens, {}, {}, 0);
    const LogProbs after_prompt = AllLogProbs(*executor, tokens, {}, {}, kLength / 2);
    if (GetParam().caches == CacheFormat::kInt8) {
      ExpectWithinInt8Caches(decoded, expected);
      ExpectWithinInt8Caches(after_prompt, expected);
      ExpectWithinInt8Caches(after_prompt, decoded);
    } else {
      ExpectWithinBfloat16(decoded, expected);
      ExpectWithinBfloat16(after_prompt, expected);
    }
  }

  // As far from the CPU in float32 as the roundings say, for networks that make more of a rounding
  // than others. Before a product with a norm the graph path rounds one factor, norm(x); clusters
  // round two: x, and the weights that the norm's are folded into. Roundings of one size that know
  // nothing of each other add their squares, so where these were all, the error would be sqrt(2)
  // that of the graph path. Others (keys and values, attention's output, the MLP's hidden layer)
  // are the same on both paths and make it less: with just these roundings, the rest in float64,
  // the networks and options below come to 1.14 to 1.38.
  void ExpectParityOfPaths(const RandomModel& model, WeightFormat format,
                           const std::vector<int>& conditions = {}) {
    const LogProbs exact = ExactLogProbs(model, conditions);
    CudaOptions options = ClusterOptions(GetParam(), format);
    const auto rms = [&] {
      const auto executor = MakeCudaExecutor(model.config, model.weights, options);
      return std::sqrt(
          ErrorsOf(AllLogProbs(*executor, SomeTokens(), conditions, {}), exact).mean_square);
    };
    const double clusters = rms();
    options.decode_path = CudaDecodePath::kGraph;
    EXPECT_LE(clusters, std::numbers::sqrt2 * rms() + 1e-3);
  }

 private:
  static LogProbs ExactLogProbs(const RandomModel& model, const std::vector<int>& conditions) {
    CpuOptions options;
    options.weight_format = WeightFormat::kFloat32;
    absl::StatusOr<std::unique_ptr<Executor>> exact =
        CreateCpuExecutor(model.config, model.weights, options);
    EXPECT_TRUE(exact.ok()) << exact.status();
    return AllLogProbs(**exact, SomeTokens(), conditions, {});
  }
};

TEST_P(ClusterStepTest, EachPatternAloneGivesTheCpusLogProbabilities) {
  for (const absl::string_view pattern :
       {R"("pattern": "dense")", R"("pattern": "local", "window": 24)",
        R"("pattern": "strided", "stride": 12)", R"("pattern": "local_strided", "stride": 12)",
        R"("pattern": "fixed", "stride": 24, "cells": 4, "spread": 4)",
        R"("pattern": "block", "stride": 32)", R"("pattern": "previous_block", "stride": 20)",
        R"("pattern": "summary", "stride": 24, "cells": 4, "spread": 4)"}) {
    SCOPED_TRACE(pattern);
    ExpectParity(ConfigOf(GetParam(), absl::StrCat("{", pattern, "}"), R"(, "n_layer": 1)"));
  }
}

TEST_P(ClusterStepTest, LayersOfManyPatternsGiveTheCpusLogProbabilities) {
  const absl::string_view three = R"(
      {"pattern": "strided", "stride": 12}, {"pattern": "local", "window": 96},
      {"pattern": "fixed", "stride": 24, "cells": 4, "spread": 4})";
  // Roundings to bytes have been counted for three layers (log_prob_errors.h).
  if (GetParam().caches == CacheFormat::kInt8) {
    ExpectParity(ConfigOf(GetParam(), three, R"(, "n_layer": 3)"));
  } else {
    ExpectParity(ConfigOf(GetParam(), absl::StrCat(three, R"(, {"pattern": "dense"})"),
                          R"(, "n_layer": 6)"));
  }
}

TEST_P(ClusterStepTest, EveryPieceOfAConfigurationIsHeeded) {
  const absl::string_view attention = R"({"pattern": "local", "window": 30}, {"pattern": "dense"})";
  const auto expect_parity = [&](absl::string_view more, const std::vector<int>& conditions) {
    SCOPED_TRACE(more);
    const ModelConfig config =
        ConfigOf(GetParam(), attention, absl::StrCat(more, R"(, "n_layer": 2)"));
    ExpectParityOfPaths(MakeRandomModel(config, 5, DType::kBfloat16), WeightFormat::kBfloat16,
                        conditions);
  };
  expect_parity(R"(, "position_rule": "current", "activation": "gelu")", {});
  expect_parity(R"(, "activation": "relu", "attention_scale": "none")", {});
  expect_parity(R"(, "activation": "gelu_tanh", "final_norm_epsilon": null, "tied_head": true)",
                {});
  expect_parity(R"(, "norm_epsilon": 0.1, "final_norm_epsilon": 0.5, "head_bias": true)", {});
  expect_parity(R"(, "conditions": [{"name": "class", "values": 5}])", {3});
}

TEST_P(ClusterStepTest, Int8WeightsCostWhatTheyCostTheGraphPath) {
  const ModelConfig config =
      ConfigOf(GetParam(), R"({"pattern": "local", "window": 30})", R"(, "n_layer": 3)");
  ExpectParityOfPaths(MakeRandomModel(config, 5, DType::kInt8), WeightFormat::kInt8);
}

TEST_P(ClusterStepTest, CompanyAndStepsACallDoNotChangeABit) {
  const RandomModel model =
      MakeRandomModel(ConfigOf(GetParam(), R"({"pattern": "strided", "stride": 12},
                              {"pattern": "local", "window": 96}, {"pattern": "dense"})",
                               R"(, "n_layer": 4)"),
                      3);
  const auto executor = MakeCudaExecutor(model.config, model.weights,
                                         ClusterOptions(GetParam(), WeightFormat::kBfloat16));
  const int length = model.config.context_length;
  std::vector<Draws> alone;
  for (int index = 0; index < 6; ++index) {
    alone.push_back(DrawBatch(*executor, {index}, {length}, 32).front());
  }
  EXPECT_EQ(DrawBatch(*executor, {4}, {length}, 1).front(), alone[4]);
  std::mt19937 random(11);
  for (const int batch : {2, 8, 9, 57, 100, 130, 200, 256}) {
    std::vector<int> indices;
    std::vector<int> lengths;
    for (int i = 0; i < batch; ++i) {
      indices.push_back(i < 6 ? i : 6 + static_cast<int>(random() % 1000));
      lengths.push_back(i < 6 ? length : 1 + static_cast<int>(random() % 100));
    }
    for (size_t i = 0; i < indices.size(); ++i) {
      const size_t other = random() % indices.size();
      std::swap(indices[i], indices[other]);
      std::swap(lengths[i], lengths[other]);
    }
    const std::vector<Draws> together =
        DrawBatch(*executor, indices, lengths, 1 + static_cast<int>(random() % 32));
    for (size_t i = 0; i < indices.size(); ++i) {
      if (indices[i] >= 6) continue;
      EXPECT_EQ(together[i], alone[static_cast<size_t>(indices[i])])
          << "sequence " << indices[i] << " in a batch of " << batch;
    }
  }
}

// With every group, and every stage's weights as tight as they get. Some 2 x 10^6 rows and layers:
// weights that were overwritten while a warp's load of them waited changed one in 10^6.
TEST_P(ClusterStepTest, EachOfAFullBatchIsAsInASmallOne) {
  const RandomModel model =
      MakeRandomModel(ConfigOf(GetParam(), R"({"pattern": "strided", "stride": 12},
                              {"pattern": "local", "window": 40})",
                               R"(, "n_layer": 64)"),
                      3);
  CudaOptions options = ClusterOptions(GetParam(), WeightFormat::kBfloat16);
  options.cache_capacity_bytes = int64_t{4} << 30;
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  constexpr int kTokens = 128;
  constexpr int kAll = 256;
  constexpr int kFew = 32;
  std::vector<int> indices(kAll);
  std::iota(indices.begin(), indices.end(), 0);
  const std::vector<Draws> together =
      DrawBatch(*executor, indices, std::vector<int>(kAll, kTokens), 16);
  for (int first = 0; first < kAll; first += kFew) {
    const std::vector<int> some(indices.begin() + first, indices.begin() + first + kFew);
    const std::vector<Draws> few = DrawBatch(*executor, some, std::vector<int>(kFew, kTokens), 16);
    for (int i = 0; i < kFew; ++i) {
      EXPECT_EQ(few[static_cast<size_t>(i)], together[static_cast<size_t>(first + i)])
          << "sequence " << first + i;
    }
  }
}

// What the CPU's sampler draws from the log-probabilities that the device reports. They are the
// logits less a constant, which only a repetition penalty sees.
TEST_P(ClusterStepTest, TokensAreThoseOfTheCpusSampler) {
  const RandomModel model =
      MakeRandomModel(ConfigOf(GetParam(), R"({"pattern": "dense"})", R"(, "n_layer": 1)"), 3);
  const auto executor = MakeCudaExecutor(model.config, model.weights,
                                         ClusterOptions(GetParam(), WeightFormat::kBfloat16));
  constexpr int kSteps = 16;
  constexpr int kVocab = 97;
  SamplingCases cases(9);
  std::vector<Slot> slots;
  std::vector<SequenceSpec> specs;
  StepPlan plan;
  for (int i = 0; i < 40; ++i) {
    SequenceSpec spec = cases.Next(kVocab).spec;
    spec.sampling.repetition_penalty = 1;
    spec.max_length = kSteps;
    spec.prompt_length = 0;
    spec.top_logprobs = kVocab;
    ASSERT_OK_AND_ASSIGN(Slot slot, executor->StartSequence(spec));
    plan.rows.push_back(DrawRow(slot, 0, kStartInput, kSteps));
    slots.push_back(std::move(slot));
    specs.push_back(spec);
  }
  ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run(plan));
  for (size_t i = 0; i < specs.size(); ++i) {
    Sampler sampler({.parameters = specs[i].sampling,
                     .seed = specs[i].seed,
                     .sample_index = specs[i].sample_index,
                     .vocab_size = kVocab});
    for (int t = 0; t < kSteps; ++t) {
      const TokenResult& result = results[i * kSteps + static_cast<size_t>(t)];
      std::vector<float> logits(kVocab);
      for (size_t k = 0; k < kVocab; ++k) {
        logits[static_cast<size_t>(result.top_ids[k])] = result.top_values[k];
      }
      ASSERT_EQ(result.token, sampler.Sample(t, logits)) << "sequence " << i << ", step " << t;
      EXPECT_EQ(result.log_prob, logits[static_cast<size_t>(result.token)]);
      sampler.Observe(t, result.token);
    }
  }
}

TEST_P(ClusterStepTest, AForkGoesOnAsItsParent) {
  const RandomModel model = MakeRandomModel(
      ConfigOf(GetParam(), R"({"pattern": "local", "window": 30}, {"pattern": "dense"})",
               R"(, "n_layer": 2)"),
      3);
  const auto executor = MakeCudaExecutor(model.config, model.weights,
                                         ClusterOptions(GetParam(), WeightFormat::kBfloat16));
  SequenceSpec spec;
  spec.max_length = 60;
  ASSERT_OK_AND_ASSIGN(const Slot parent, executor->StartSequence(spec));
  ASSERT_OK_AND_ASSIGN(const StepResult first,
                       executor->Run({{DrawRow(parent, 0, kStartInput, 30)}}));
  const int32_t last = first.back().token;
  ASSERT_OK_AND_ASSIGN(const Slot fork, executor->ForkSequence(parent, spec));
  ASSERT_OK_AND_ASSIGN(
      const StepResult results,
      executor->Run({{DrawRow(parent, 30, last, 20), DrawRow(fork, 30, last, 20)}}));
  for (size_t t = 0; t < 20; ++t) {
    EXPECT_EQ(results[t].token, results[20 + t].token) << "step " << t;
    EXPECT_EQ(results[t].log_prob, results[20 + t].log_prob) << "step " << t;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, ClusterStepTest, testing::ValuesIn(Networks()),
                         [](const auto& network) { return network.param.name; });

}  // namespace
}  // namespace strided::cuda
