// All layers as one kernel over the device: the tokens, with the log-probability bits, that the
// kernels of each layer give.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cuda/grid/grid_sizes.h"
#include "engine/cuda/grid/heads_kernel.h"
#include "engine/cuda/kernels/current_device.h"
#include "tests/engine/cuda/cuda_runner.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/draw_batch.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/status_matchers.h"

namespace strided::cuda {
namespace {

// Each shape that has a kernel. Queries of one chunk of keys and of several, of none, with and
// without their own; in the end more chunks of a layer than a device has multiprocessors.
struct Network {
  const char* name;
  const char* config;
};
constexpr Network kNetworks[] = {
    {"heads_of_32", R"({
  "context_length": 300, "position_axes": [300], "n_layer": 4, "n_head": 16, "d_model": 512,
  "d_key": 32, "d_value": 32, "d_ff": 2048, "vocab_size": 61,
  "attention": [
    {"pattern": "local", "window": 128},
    {"heads": [{"pattern": "strided", "stride": 24}, {"pattern": "local", "window": 128},
               {"pattern": "local", "window": 1}, {"pattern": "previous_block", "stride": 48},
               {"pattern": "fixed", "stride": 32, "cells": 8, "spread": 4},
               {"pattern": "local_strided", "stride": 24}, {"pattern": "block", "stride": 100},
               {"pattern": "summary", "stride": 16, "cells": 4, "spread": 2},
               {"pattern": "dense"}, {"pattern": "local", "window": 200},
               {"pattern": "strided", "stride": 7}, {"pattern": "strided", "stride": 8},
               {"pattern": "local", "window": 42}, {"pattern": "local", "window": 129},
               {"pattern": "local", "window": 44}, {"pattern": "local", "window": 45}]},
    {"pattern": "strided", "stride": 24},
    {"pattern": "dense"}]})"},
    {"heads_of_64", R"({
  "context_length": 3200, "position_axes": [3200], "n_layer": 3, "n_head": 8, "d_model": 512,
  "d_key": 64, "d_value": 64, "d_ff": 2048, "vocab_size": 61,
  "attention": [{"pattern": "fixed", "stride": 128, "cells": 32, "spread": 4},
                {"pattern": "dense"}, {"pattern": "previous_block", "stride": 48}]})"},
};

struct Case {
  Network network;
  WeightFormat format;
};

class GridShapesTest : public CudaTest {};

// Otherwise the tests below compare the kernels of each layer with themselves.
TEST_F(GridShapesTest, ADeviceThatHasRoomForItRunsEveryKernel) {
  ASSERT_OK_AND_ASSIGN(const CurrentDevice device, CurrentDevice::Find());
  constexpr int kSharedBytes = 227 << 10;
  constexpr int kMultiprocessors =
      114;  // of the smallest H100: more than clusters of 64 blocks need
  if (device.shared_bytes < kSharedBytes) GTEST_SKIP() << "a smaller shared memory";
  grid::VisitSizes([&](auto sizes) {
    EXPECT_THAT(grid::RunsHeads(decltype(sizes)::kWidths, WeightFormat::kBfloat16),
                IsOkAndHolds(device.multiprocessors >= kMultiprocessors))
        << "d_model " << sizes.kModel << ", keys of " << sizes.kKey;
    return false;
  });
}

class GridStepTest : public CudaTest, public testing::WithParamInterface<Case> {};

TEST_P(GridStepTest, BitsAreThoseOfTheKernelsOfEachLayer) {
  const RandomModel model = MakeRandomModel(SmallConfig(GetParam().network.config), 5);
  CudaOptions options = TestOptions(GetParam().format);
  options.decode_path = CudaDecodePath::kGraph;
  const auto grid = MakeCudaExecutor(model.config, model.weights, options);
  options.use_grid = false;
  const auto layers = MakeCudaExecutor(model.config, model.weights, options);
  const int length = model.config.context_length;
  for (const int rows : {1, 2, 3, 8}) {
    std::vector<int> indices;
    std::vector<int> lengths;
    for (int i = 0; i < rows; ++i) {
      indices.push_back(10 * rows + i);
      lengths.push_back(i == 0 ? length : length - 37 * i);  // idle rows, towards the end
    }
    EXPECT_EQ(DrawBatch(*grid, indices, lengths, 16), DrawBatch(*layers, indices, lengths, 16))
        << rows << " rows";
  }
}

// Rows have as many chunks of keys as their positions give them, and come and go.
TEST_P(GridStepTest, RowsAtPositionsFarApartGiveTheSameBits) {
  const RandomModel model = MakeRandomModel(SmallConfig(GetParam().network.config), 6);
  CudaOptions options = TestOptions(GetParam().format);
  options.decode_path = CudaDecodePath::kGraph;
  const auto grid = MakeCudaExecutor(model.config, model.weights, options);
  options.use_grid = false;
  const auto layers = MakeCudaExecutor(model.config, model.weights, options);
  const int length = std::min(model.config.context_length, 900);
  const std::vector<int> indices = {0, 1, 2, 3, 4, 5, 6, 7};
  const std::vector<int> lengths(indices.size(), length);
  const int apart = length / 16 / 8;  // calls
  EXPECT_EQ(DrawBatch(*grid, indices, lengths, 16, apart),
            DrawBatch(*layers, indices, lengths, 16, apart));
}

// A network that has no room for the rows of the next larger kernel.
TEST_F(GridShapesTest, RowsThatFillNoKernelGiveTheSameBits) {
  const RandomModel model = MakeRandomModel(SmallConfig(kNetworks[0].config), 7);
  CudaOptions options = TestOptions(WeightFormat::kBfloat16);
  options.decode_path = CudaDecodePath::kGraph;
  options.max_slots = 3;
  const auto grid = MakeCudaExecutor(model.config, model.weights, options);
  options.use_grid = false;
  const auto layers = MakeCudaExecutor(model.config, model.weights, options);
  const std::vector<int> lengths = {60, 40, 50};
  EXPECT_EQ(DrawBatch(*grid, {0, 1, 2}, lengths, 16), DrawBatch(*layers, {0, 1, 2}, lengths, 16));
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const Network& network : kNetworks) {
    for (const WeightFormat format : {WeightFormat::kBfloat16, WeightFormat::kFloat16,
                                      WeightFormat::kInt8, WeightFormat::kFloat8}) {
      cases.push_back({network, format});
    }
  }
  return cases;
}

std::string NameOf(const testing::TestParamInfo<Case>& info) {
  return absl::StrCat(info.param.network.name, "_", WeightFormatName(info.param.format));
}

INSTANTIATE_TEST_SUITE_P(Shapes, GridStepTest, testing::ValuesIn(AllCases()), NameOf);

}  // namespace
}  // namespace strided::cuda
