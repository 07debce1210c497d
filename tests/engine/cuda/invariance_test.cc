// Whatever stands beside it in a step, in whichever slot, with or without graphs, however many
// steps a call: a sequence draws the tokens, with the log-probability bits, that it draws alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/engine/cuda/cuda_runner.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/draw_batch.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"

namespace strided::cuda {
namespace {

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

// Few rows take a layer's halves in a kernel each; but not those of the last layer, whose queries
// have several chunks of keys.
constexpr const char* kHalvesConfig = R"({
  "context_length": 200, "position_axes": [200], "n_layer": 3, "n_head": 16, "d_model": 512,
  "d_key": 32, "d_value": 32, "d_ff": 2048, "vocab_size": 61,
  "attention": [
    {"pattern": "local", "window": 100},
    {"heads": [{"pattern": "strided", "stride": 24}, {"pattern": "local", "window": 128},
               {"pattern": "local", "window": 1}, {"pattern": "previous_block", "stride": 48},
               {"pattern": "fixed", "stride": 32, "cells": 8, "spread": 4},
               {"pattern": "local_strided", "stride": 24},
               {"pattern": "block", "stride": 100},
               {"pattern": "summary", "stride": 16, "cells": 4, "spread": 2},
               {"pattern": "local", "window": 40}, {"pattern": "local", "window": 41},
               {"pattern": "strided", "stride": 7}, {"pattern": "strided", "stride": 8},
               {"pattern": "local", "window": 42}, {"pattern": "local", "window": 43},
               {"pattern": "local", "window": 44}, {"pattern": "local", "window": 45}]},
    {"pattern": "dense"}]})";

struct Formats {
  WeightFormat weights;
  CacheFormat caches = CacheFormat::kAuto;
  const char* config = kWideConfig;
};

// The first position at which two sequences differ.
std::ptrdiff_t FirstDifference(const Draws& a, const Draws& b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

class InvarianceTest : public CudaTest, public testing::WithParamInterface<Formats> {};

TEST_P(InvarianceTest, CompanyStepsAndGraphsDoNotChangeABit) {
  const RandomModel model = MakeRandomModel(SmallConfig(GetParam().config), 3);
  CudaOptions options = TestOptions(GetParam().weights, GetParam().caches);
  options.cache_capacity_bytes = int64_t{192} << 20;
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
          << "sequence " << indices[i] << " in a batch of " << batch << ", first at "
          << FirstDifference(together[i], alone[static_cast<size_t>(indices[i])]);
    }
  }
}

std::string NameOf(const testing::TestParamInfo<Formats>& info) {
  const Formats& formats = info.param;
  return absl::StrCat(WeightFormatName(formats.weights),
                      formats.caches == CacheFormat::kInt8 ? "_int8_caches" : "",
                      formats.config == kHalvesConfig ? "_halves" : "");
}

INSTANTIATE_TEST_SUITE_P(Formats, InvarianceTest,
                         testing::Values(Formats{WeightFormat::kFloat32},
                                         Formats{WeightFormat::kFloat16},
                                         Formats{WeightFormat::kBfloat16},
                                         Formats{WeightFormat::kInt8},
                                         Formats{WeightFormat::kFloat8},
                                         Formats{WeightFormat::kFloat16, CacheFormat::kInt8},
                                         Formats{WeightFormat::kBfloat16, CacheFormat::kInt8}),
                         NameOf);

INSTANTIATE_TEST_SUITE_P(
    Halves, InvarianceTest,
    testing::Values(Formats{WeightFormat::kFloat16, CacheFormat::kAuto, kHalvesConfig},
                    Formats{WeightFormat::kBfloat16, CacheFormat::kAuto, kHalvesConfig},
                    Formats{WeightFormat::kInt8, CacheFormat::kAuto, kHalvesConfig},
                    Formats{WeightFormat::kFloat8, CacheFormat::kAuto, kHalvesConfig}),
    NameOf);

}  // namespace
}  // namespace strided::cuda
