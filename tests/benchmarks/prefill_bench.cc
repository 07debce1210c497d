// How fast the GPU prefills: each product and each layer's attention alone, then whole contexts.
//
//   prefill_bench                                   the four shapes of tests/benchmarks/shapes
//   prefill_bench --shapes=cifar10-59m --rows=3072  of them, and rows of one call
//   prefill_bench --contexts_only --json=FILE       whole contexts alone; JSON lines for compare.py
//
// Weights are random: times alone. A product's arithmetic is 2 outputs inputs rows; attention's is
// 2 (d_key + d_value) for each key of each query, so that what a tile masks counts as waste.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/cuda_executor.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/prefill_attention.h"
#include "engine/cuda/kernels/streamed_product.h"
#include "engine/cuda/kernels/weight_packing.h"
#include "engine/cuda/kernels/wide_product.h"
#include "engine/cuda/prefill.h"
#include "tests/benchmarks/cuda_timer.h"
#include "tests/benchmarks/random_network.h"
#include "tests/benchmarks/require.h"

namespace strided::cuda {
namespace {

struct BenchOptions {
  std::string folder = "tests/benchmarks/shapes";
  std::vector<std::string> shapes = {"cifar10-59m", "imagenet64-152m", "enwik8-95m", "music-152m"};
  std::vector<int> rows = {2304, 12288};
  std::string format = "bfloat16";
  double peak_tflops = 800;
  int times = 30;
  bool contexts_only = false;
  std::string json;  // file
};

void PrintLine(const std::string& what, double microseconds, double flop, double peak_tflops) {
  const double tflops = flop / microseconds * 1e-6;
  std::cout << absl::StrFormat("  %-44s %10.1f us %8.1f TFLOP/s %5.1f %%\n", what, microseconds,
                               tflops, 100 * tflops / peak_tflops)
            << std::flush;
}

// One shape's network, and memory for the rows of one call.
class ShapeBench {
 public:
  ShapeBench(std::string name, ModelConfig config, const BenchOptions& options)
      : name_(std::move(name)),
        config_(std::move(config)),
        options_(options),
        format_(*WeightFormatFromName(options.format)),
        operand_(OperandOf(format_)),
        network_(config_, format_),
        sequence_(config_, config_.context_length, operand_),
        most_rows_(*std::max_element(options.rows.begin(), options.rows.end())) {
    const int width = config_.n_head * (2 * config_.d_key + config_.d_value);
    const int widest = std::max({width, config_.d_model, config_.d_ff});
    stride_ = PackedSteps(widest) * kStepInputs;
    const auto elements = static_cast<size_t>(most_rows_) * static_cast<size_t>(stride_);
    in_ = Require(DeviceBuffer<std::byte>::Create(elements * 4));
    out_ = Require(DeviceBuffer<std::byte>::Create(elements * 4));
    Require(in_.Fill(std::byte{0x3C}, nullptr));  // small numbers of each type
    Require(out_.Fill(std::byte{0}, nullptr));
  }

  void Run() {
    for (const int rows : options_.rows) {
      if (!options_.contexts_only) {
        TimeProducts(rows);
        TimeAttention(std::min(rows, config_.context_length));
      }
      TimeContext(rows);
    }
  }

 private:
  std::vector<WideTile> TilesFor(const WideProduct& product) const {
    std::vector<WideTile> tiles = {WideTile::kLarge, WideTile::kMedium, WideTile::kSmall};
    if (CanStream(Require(CurrentDevice::Find()), product, format_)) {
      tiles.push_back(WideTile::kStreamed);
    }
    return tiles;
  }

  double Time(absl::FunctionRef<absl::Status()> enqueue, int repeats) const {
    return MedianMicroseconds(nullptr, options_.times, repeats, enqueue);
  }

  void TimeProducts(int rows) {
    const DeviceLayer& layer = network_.view().layers.front();
    struct Named {
      std::string name;
      const DeviceMatrix& matrix;
      WideOutput output;
    };
    for (const Named& product : {Named{"qkv", layer.qkv, WideOutput::kOperand},
                                 Named{"out", layer.out, WideOutput::kResidual},
                                 Named{"up", layer.up, WideOutput::kActivated},
                                 Named{"down", layer.down, WideOutput::kResidual}}) {
      const DeviceMatrix& matrix = product.matrix;
      WideProduct task;
      task.matrix = matrix;
      task.in = in_.data();
      task.in_stride = int64_t{PackedSteps(matrix.inputs)} * kStepInputs;
      task.out = out_.data();
      task.out_stride = matrix.outputs;
      task.rows = rows;
      task.output = product.output;
      const double flop = 2.0 * matrix.outputs * matrix.inputs * rows;
      const std::string what = absl::StrCat(product.name, " ", matrix.outputs, " x ", matrix.inputs,
                                            ", ", rows, " rows");
      for (const WideTile tile : TilesFor(task)) {
        const double time =
            Time([&] { return LaunchWideProduct(task, format_, true, nullptr, tile); }, 20);
        const WideTileSize size = SizeOf(tile);
        PrintLine(absl::StrCat(what, ", ", size.outputs, "x", size.rows), time, flop,
                  options_.peak_tflops);
      }
      const double time = Time([&] { return LaunchWideProduct(task, format_, true, nullptr); }, 20);
      PrintLine(absl::StrCat(what, ", chosen"), time, flop, options_.peak_tflops);
    }
  }

  // Of the context's last rows, once for each different layer.
  void TimeAttention(int rows) {
    const RowRun run = {0, config_.context_length - rows, 0, rows};
    DeviceBuffer<RowRun> runs = Require(DeviceBuffer<RowRun>::Create(1));
    Require(runs.CopyFrom(std::span<const RowRun>(&run, 1), nullptr));
    DeviceBuffer<PrefillRow> device_rows =
        Require(DeviceBuffer<PrefillRow>::Create(static_cast<size_t>(rows)));
    Require(device_rows.Fill(std::byte{0}, nullptr));
    std::vector<const std::vector<AttentionPattern>*> seen;
    for (int layer = 0; layer < config_.n_layer; ++layer) {
      const auto& patterns = config_.attention[static_cast<size_t>(layer)];
      const bool known = std::any_of(seen.begin(), seen.end(),
                                     [&](const auto* other) { return *other == patterns; });
      if (known) continue;
      seen.push_back(&patterns);
      std::vector<HeadRows> heads;
      double keys = 0;
      for (const AttentionPattern& pattern : patterns) {
        heads.push_back(HeadRows::Of(pattern));
        for (int row = 0; row < rows; ++row) {
          keys += heads.back().KeyCount(run.first_position + row);
        }
      }
      PrefillAttention task;
      task.rows = {runs.data(), device_rows.data(), 1, rows};
      task.sequences = sequence_.device();
      task.first_head = layer * config_.n_head;
      task.heads = network_.view().head_rows + task.first_head;
      task.n_head = config_.n_head;
      task.d_key = config_.d_key;
      task.d_value = config_.d_value;
      task.scale = 0.1F;
      task.qkv = in_.data();
      task.qkv_stride = int64_t{config_.n_head} * (2 * config_.d_key + config_.d_value);
      task.mixed = out_.data();
      task.mixed_stride = int64_t{config_.n_head} * config_.d_value;
      const AttentionGrids grids = PlanAttention(heads, {&run, 1});
      const double time =
          Time([&] { return LaunchPrefillAttention(task, operand_, grids, true, nullptr); }, 20);
      PrintLine(
          absl::StrCat("attention ", PatternName(patterns.front().kind()), ", ", rows, " rows"),
          time, 2.0 * (config_.d_key + config_.d_value) * keys, options_.peak_tflops);
    }
  }

  // The whole context in calls of `rows` rows.
  void TimeContext(int rows) {
    Prefill prefill =
        Require(Prefill::Create(config_, network_.view(), {.max_rows = rows}, nullptr));
    std::vector<int32_t> inputs(static_cast<size_t>(config_.context_length), 7);
    inputs.front() = -1;
    const auto run_all = [&]() -> absl::Status {
      for (int first = 0; first < config_.context_length; first += rows) {
        const int count = std::min(rows, config_.context_length - first);
        const PrefillRun run = {
            0, first,
            std::span(inputs).subspan(static_cast<size_t>(first), static_cast<size_t>(count))};
        RETURN_IF_ERROR(prefill.Run({&run, 1}, sequence_.device(), nullptr));
      }
      return absl::OkStatus();
    };
    const double time = MedianMicroseconds(nullptr, std::max(3, options_.times / 6), 1, run_all);
    std::cout << absl::StrFormat("  context of %d, %d rows a call: %.2f ms, %.0f tokens/s\n",
                                 config_.context_length, rows, time / 1e3,
                                 config_.context_length / time * 1e6)
              << std::flush;
    if (options_.json.empty()) return;
    const nlohmann::json line = {{"shape", name_},
                                 {"path", "strided prefill " + options_.format},
                                 {"rows", rows},
                                 {"prefill_ms", time / 1e3}};
    std::ofstream(options_.json, std::ios::app) << line << "\n";
  }

  const std::string name_;
  const ModelConfig config_;
  const BenchOptions& options_;
  const WeightFormat format_;
  const Operand operand_;
  const RandomNetwork network_;
  const RandomSequence sequence_;
  const int most_rows_;
  int stride_ = 0;
  DeviceBuffer<std::byte> in_;
  DeviceBuffer<std::byte> out_;
};

int Main(int argc, char** argv) {
  BenchOptions options;
  CLI::App app("Prefill on the GPU: products, attention, whole contexts");
  app.add_option("--folder", options.folder, "of the shapes: NAME/config.json");
  app.add_option("--shapes", options.shapes, "names")->delimiter(',');
  app.add_option("--rows", options.rows, "of one call")->delimiter(',');
  app.add_option("--format", options.format, "bfloat16 or float16");
  app.add_option("--peak_tflops", options.peak_tflops, "what shares are of");
  app.add_option("--times", options.times, "of which the median counts");
  app.add_flag("--contexts_only", options.contexts_only, "no single products and layers");
  app.add_option("--json", options.json, "append JSON lines of the contexts to this file");
  CLI11_PARSE(app, argc, argv);
  if (CudaDeviceCount() == 0) {
    std::cout << "no CUDA device\n";
    return 0;
  }
  for (const std::string& shape : options.shapes) {
    std::cout << shape << ", " << options.format << ", shares of " << options.peak_tflops
              << " TFLOP/s\n";
    const std::string path = absl::StrCat(options.folder, "/", shape, "/config.json");
    ShapeBench(shape, Require(ModelConfig::Load(path)), options).Run();
  }
  return 0;
}

}  // namespace
}  // namespace strided::cuda

int main(int argc, char** argv) { return strided::ExitStatusOf(strided::cuda::Main, argc, argv); }
