#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cache/cache_bytes.h"
#include "engine/cuda/cache_arena.h"
#include "tests/engine/cuda/cuda_runner.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/executor_suite.h"
#include "tests/testing/config_text.h"
#include "tests/testing/status_matchers.h"

namespace strided {

namespace {

// Heads of widths that int8 caches take; tokens go by graphs.
constexpr absl::string_view kBytesWide = R"({"d_key": 8, "d_value": 16})";
// Tokens go by clusters, where the device has some, for the formats of weights that they take.
constexpr absl::string_view kClusterWide =
    R"({"d_model": 256, "n_head": 4, "d_key": 32, "d_value": 64, "d_ff": 512})";

ExecutorUnderTest Cuda(CacheFormat caches, absl::string_view small_model = "{}") {
  ExecutorUnderTest cuda{
      .formats = {WeightFormat::kFloat16, WeightFormat::kBfloat16, WeightFormat::kInt8,
                  WeightFormat::kFloat8},
      .create = [caches](const ModelConfig& config, const Weights& weights,
                         const SuiteOptions& from) -> absl::StatusOr<std::unique_ptr<Executor>> {
        CudaOptions options;
        options.weight_format = from.weight_format;
        options.cache_format = caches;
        options.max_rows = from.max_rows;
        options.max_slots = from.max_slots;
        options.cache_capacity_bytes = from.cache_capacity_bytes;
        return CreateCudaExecutor(config, weights, options);
      },
      .absent = cuda::HasCudaDevice() ? "" : "no CUDA device",
      .small_model = std::string(small_model)};
  if (caches != CacheFormat::kInt8) cuda.formats.push_back(WeightFormat::kFloat32);
  return cuda;
}

INSTANTIATE_TEST_SUITE_P(Cuda, ExecutorSuite, testing::Values(Cuda(CacheFormat::kAuto)));
INSTANTIATE_TEST_SUITE_P(Cuda, SequenceSuite, testing::Values(Cuda(CacheFormat::kAuto)));
INSTANTIATE_TEST_SUITE_P(CudaInt8Caches, SequenceSuite,
                         testing::Values(Cuda(CacheFormat::kInt8, kBytesWide)));
INSTANTIATE_TEST_SUITE_P(CudaClusters, SequenceSuite,
                         testing::Values(Cuda(CacheFormat::kAuto, kClusterWide)));
INSTANTIATE_TEST_SUITE_P(CudaClustersInt8Caches, SequenceSuite,
                         testing::Values(Cuda(CacheFormat::kInt8, kClusterWide)));

}  // namespace

namespace cuda {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;

// CUDA gives small allocations of one process a common page, and keeps it.
constexpr int64_t kPages = int64_t{16} << 20;

std::unique_ptr<CudaExecutor> Start(const RandomModel& model,
                                    WeightFormat format = WeightFormat::kBfloat16) {
  return MakeCudaExecutor(model.config, model.weights, TestOptions(format));
}

using CudaExecutorTest = CudaTest;

TEST_F(CudaExecutorTest, SaysWhatItsBitsDependOn) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model, WeightFormat::kInt8);
  EXPECT_EQ(executor->info().device, "cuda:0");
  EXPECT_EQ(executor->info().weight_format, "int8");
  EXPECT_THAT(executor->info().numerics, StartsWith("cuda-"));
  EXPECT_THAT(executor->info().numerics, HasSubstr("weights=int8"));
  EXPECT_EQ(executor->info().parameter_count, model.weights.parameter_count());
}

RandomModel ModelForInt8Caches() {
  return MakeRandomModel(SmallConfig(R"({"d_key": 8, "d_value": 16})"), 3);
}

TEST_F(CudaExecutorTest, Int8CachesTakeAByteAnElementAndTheirScales) {
  const RandomModel model = ModelForInt8Caches();
  const auto wide = Start(model);
  const auto narrow = MakeCudaExecutor(model.config, model.weights,
                                       TestOptions(WeightFormat::kBfloat16, CacheFormat::kInt8));
  EXPECT_EQ(wide->info().cache_format, "bfloat16");
  EXPECT_EQ(narrow->info().cache_format, "int8");
  EXPECT_THAT(narrow->info().numerics, HasSubstr("cache=int8"));
  EXPECT_NE(narrow->info().numerics, wide->info().numerics);
  EXPECT_EQ(narrow->CacheBytes(24), SequenceCacheBytes(model.config, 24, 1));
}

TEST_F(CudaExecutorTest, Int8CachesAreRefusedWhereTheyCannotBe) {
  const RandomModel model = ModelForInt8Caches();
  CudaOptions options = TestOptions(WeightFormat::kFloat32, CacheFormat::kInt8);
  EXPECT_THAT(CreateCudaExecutor(model.config, model.weights, options),
              StatusIs(kInvalid, HasSubstr("weight_format float32")));
  options = TestOptions(WeightFormat::kBfloat16, CacheFormat::kInt8);
  options.decode_path = CudaDecodePath::kCluster;
  EXPECT_THAT(CreateCudaExecutor(model.config, model.weights, options),
              StatusIs(kInvalid, HasSubstr("decode_path is cluster")));
  const RandomModel of_width_4 = SmallModel();
  options.decode_path = CudaDecodePath::kAuto;
  EXPECT_THAT(CreateCudaExecutor(of_width_4.config, of_width_4.weights, options),
              StatusIs(kInvalid, HasSubstr("have 4 elements; they must be a multiple of 8")));
}

TEST_F(CudaExecutorTest, FreePartsThatAreNotNeighboursAreNoRoomUntilTheyAre) {
  const RandomModel model = LongModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.cache_capacity_bytes = int64_t{3} * 100 * 128;
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  std::vector<Slot> slots;
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(Slot slot, executor->StartSequence(SpecOf(100)));
    slots.push_back(std::move(slot));
  }
  slots.erase(slots.begin());
  slots.pop_back();
  EXPECT_THAT(
      executor->StartSequence(SpecOf(200)),
      StatusIs(kExhausted,
               "the sequence takes 25600 cache bytes; of 38400, 25600 are free, of which 12800 "
               "stand together"));
  EXPECT_OK(executor->StartSequence(SpecOf(100)));
  EXPECT_EQ(executor->cache_usage().slots_in_use, 1) << "a refused sequence takes nothing";
  slots.clear();
  EXPECT_OK(executor->StartSequence(SpecOf(300)));
}

TEST_F(CudaExecutorTest, StepsOfARowGiveOneResultEachInThePlansOrder) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(24);
  spec.top_logprobs = 2;
  ASSERT_OK_AND_ASSIGN(const Slot alone, executor->StartSequence(spec));
  const std::vector<Draw> draws = Sample(*executor, alone, 0, kStartInput, 7);
  ASSERT_OK_AND_ASSIGN(const Slot many, executor->StartSequence(spec));
  ASSERT_OK_AND_ASSIGN(const Slot few, executor->StartSequence(spec));
  ASSERT_OK_AND_ASSIGN(const Slot scored, executor->StartSequence(SpecOf(24)));
  ASSERT_OK_AND_ASSIGN(const Slot filled, executor->StartSequence(SpecOf(24)));
  StepRow seven = Row(many, 0, kStartInput, RowOutput::kSample);
  seven.steps = 7;
  StepRow three = Row(few, 0, kStartInput, RowOutput::kSample);
  three.steps = 3;
  const StepPlan plan{
      {Row(filled, 0, kStartInput), three, Score(scored, 0, kStartInput, draws[0].first), seven}};
  ASSERT_OK_AND_ASSIGN(const StepResult results, executor->Run(plan));
  ASSERT_EQ(results.size(), 12u);
  EXPECT_EQ(results[0].token, -1);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(DrawOf(results[1 + i]), draws[i]) << i;
  EXPECT_EQ(DrawOf(results[4]), draws[0]);
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(DrawOf(results[5 + i]), draws[i]) << i;
    ASSERT_EQ(results[5 + i].top_ids.size(), 2u);
    EXPECT_GE(results[5 + i].top_values[0], results[5 + i].log_prob);
  }
  EXPECT_TRUE(results[4].top_ids.empty());
  EXPECT_EQ(Sample(*executor, few, 3, draws[2].first, 4),
            std::vector<Draw>(draws.begin() + 3, draws.end()));
}

TEST_F(CudaExecutorTest, APromptsScoresMayBeMoreThanAPieceOfThem) {
  const RandomModel model = LongModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.max_rows = 640;
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  SequenceSpec spec = SpecOf(600, 600);
  spec.top_logprobs = 3;
  const auto score = [&](int rows) {
    absl::StatusOr<Slot> slot = executor->StartSequence(spec);
    EXPECT_OK(slot);
    std::vector<Draw> scores;
    for (int first = 0; first < 600; first += rows) {
      StepPlan plan;
      for (int t = first; t < std::min(first + rows, 600); ++t) {
        plan.rows.push_back(Score(*slot, t, t == 0 ? kStartInput : t * t % 16, t * 7 % 16));
      }
      const absl::StatusOr<StepResult> results = executor->Run(plan);
      EXPECT_OK(results);
      for (const TokenResult& result : *results) {
        scores.push_back(DrawOf(result));
        EXPECT_EQ(result.top_ids.size(), 3u);
        EXPECT_GE(result.top_values[0], result.log_prob);
      }
    }
    return scores;
  };
  const std::vector<Draw> together = score(600);
  ASSERT_EQ(together.size(), 600u);
  for (size_t t = 0; t < 600; ++t) EXPECT_EQ(together[t].first, static_cast<int32_t>(t * 7 % 16));
  EXPECT_EQ(score(100), together);
  EXPECT_EQ(score(257), together);
}

TEST_F(CudaExecutorTest, ScoringALongSequenceTakesNoMemoryForItsResults) {
  const RandomModel model = SmallModel(R"({"context_length": 65536, "position_axes": [256, 256],
      "attention": [{"pattern": "fixed", "stride": 128, "cells": 2, "spread": 2}]})");
  const auto executor = Start(model);
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(65536, 65536)));
  const auto score = [&](int first, int rows) {
    StepPlan plan;
    for (int t = first; t < first + rows; ++t) {
      plan.rows.push_back(Score(slot, t, t == 0 ? kStartInput : t % 16, t * 5 % 16));
    }
    const absl::StatusOr<StepResult> results = executor->Run(plan);
    ASSERT_OK(results);
    for (const TokenResult& result : *results) ASSERT_TRUE(result.finite);
  };
  score(0, 512);
  const DeviceMemory before = executor->memory();
  for (int first = 512; first < 65536; first += 512) score(first, 512);
  EXPECT_EQ(executor->memory().workspace, before.workspace);
}

TEST_F(CudaExecutorTest, RefusesOptionsOutOfRange) {
  const RandomModel model = SmallModel();
  const auto refuses = [&](auto change, const std::string& text) {
    CudaOptions options;
    change(options);
    EXPECT_THAT(CreateCudaExecutor(model.config, model.weights, options), StatusIs(kInvalid, text));
  };
  const int devices = CudaDeviceCount();
  refuses([&](CudaOptions& o) { o.device = devices; },
          absl::StrCat("CUDA device ", devices, " does not exist; there are ", devices));
  refuses([](CudaOptions& o) { o.device = -1; },
          absl::StrCat("CUDA device -1 does not exist; there are ", devices));
  refuses([](CudaOptions& o) { o.memory_fraction = 0; },
          "memory_fraction is 0; it must be above 0, to 1");
  refuses([](CudaOptions& o) { o.memory_fraction = 1.5; },
          "memory_fraction is 1.5; it must be above 0, to 1");
  refuses([](CudaOptions& o) { o.max_steps = 0; }, "max_steps is 0; it must be at least 1");
  refuses([](CudaOptions& o) { o.cache_capacity_bytes = -1; },
          "cache_capacity_bytes is -1; it must be at least 0");
}

// Room for alternatives stays once it is taken.
TEST_F(CudaExecutorTest, ARefusedSequenceTakesNoRoomForItsAlternatives) {
  const RandomModel model = LongModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.cache_capacity_bytes = int64_t{640} * 128;
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(640)));
  const DeviceMemory before = executor->memory();
  SequenceSpec spec = SpecOf(640);
  spec.top_logprobs = 16;
  EXPECT_THAT(executor->StartSequence(spec), StatusIs(kExhausted));
  EXPECT_THAT(executor->ForkSequence(slot, spec), StatusIs(kExhausted));
  EXPECT_EQ(executor->memory().workspace, before.workspace);
}

TEST_F(CudaExecutorTest, ASequenceWithoutListsTakesNoMemory) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  const int64_t free = executor->memory().free;
  std::vector<Slot> slots;
  for (int i = 0; i < 256; ++i) {
    ASSERT_OK_AND_ASSIGN(Slot slot, executor->StartSequence(SpecOf(24)));
    slots.push_back(std::move(slot));
  }
  EXPECT_EQ(executor->memory().free, free);
}

TEST_F(CudaExecutorTest, AnArenaBeyondTheDevicesMemoryIsRefusedAndLosesNothing) {
  const RandomModel model = SmallModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.cache_capacity_bytes = int64_t{1} << 50;
  EXPECT_THAT(CreateCudaExecutor(model.config, model.weights, options), StatusIs(kExhausted));
  const auto executor = Start(model);
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(4)));
  Sample(*executor, slot, 0, kStartInput, 4);
}

TEST_F(CudaExecutorTest, WhatMemoryReportsHasBeenTakenFromTheDevice) {
  const RandomModel model = SmallModel(R"({"d_model": 512, "d_ff": 2048, "n_layer": 4})");
  { const auto warm = Start(model); }  // what CUDA takes once for all
  size_t free_before = 0;
  size_t total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free_before, &total), cudaSuccess);
  const auto executor = Start(model);
  const DeviceMemory memory = executor->memory();
  EXPECT_EQ(memory.cache, TestOptions(WeightFormat::kBfloat16).cache_capacity_bytes);
  EXPECT_GE(memory.weights, 2 * model.weights.parameter_count());
  EXPECT_LE(memory.weights + memory.cache + memory.workspace,
            static_cast<int64_t>(free_before) - memory.free + kPages);
  SequenceSpec spec = SpecOf(4);
  spec.top_logprobs = 16;
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(spec));
  EXPECT_GT(executor->memory().workspace, memory.workspace) << "room for alternatives";
}

TEST_F(CudaExecutorTest, WithoutACapacityCachesGetTheShareOfFreeMemoryThatIsLeft) {
  const RandomModel model = SmallModel();
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.cache_capacity_bytes = 0;
  options.memory_fraction = 0.25;
  { const auto warm = Start(model); }
  size_t free_before = 0;
  size_t total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free_before, &total), cudaSuccess);
  const auto executor = MakeCudaExecutor(model.config, model.weights, options);
  const DeviceMemory memory = executor->memory();
  const auto share = static_cast<int64_t>(free_before / 4);
  EXPECT_LE(memory.weights + memory.cache + memory.workspace, share + kPages);
  EXPECT_GT(memory.cache, share / 2) << "the model is small";
  EXPECT_LE(executor->cache_usage().capacity_bytes, memory.cache);
  EXPECT_GT(executor->cache_usage().capacity_bytes, memory.cache - CacheArena::kAlignment);
}

}  // namespace
}  // namespace cuda
}  // namespace strided
