// How fast the CUDA executor decodes, against what the device's memory allows.
//
//   cuda_step_bench tests/benchmarks/shapes/*          random weights of each shape
//   cuda_step_bench --batches=1,64 --json=FILE DIR...  JSON lines for compare.py too
//   cuda_step_bench --dense --places=0.5,1 DIR...      the same network over the whole past
//   cuda_step_bench --decode-path=graph,cluster DIR... both ways through the network
//
// The floor of a step is the bytes of weights and caches that it reads and writes over the
// device's memory bandwidth (a copy, read and written bytes counted), measured in the same run.

#include <cuda_runtime_api.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "engine/cache/cache_bytes.h"
#include "engine/cuda/cuda_executor.h"
#include "engine/cuda/device_buffer.h"
#include "tests/benchmarks/decode_run.h"
#include "tests/benchmarks/require.h"
#include "tests/testing/random_model.h"

namespace strided {
namespace {

// A device that was idle runs some 5 % slower for its first tenths of a second.
constexpr std::chrono::milliseconds kWarmUp(300);

struct BenchOptions {
  std::vector<std::string> shapes;  // directories with a config.json
  std::vector<int> batches = {1, 8, 64, 256};
  std::vector<double> places = {0.5};  // of the context
  std::string format = "bfloat16";
  std::vector<std::string> caches = {"auto"};  // auto, int8
  std::vector<std::string> paths = {"auto"};   // auto, graph, cluster
  int steps = 64;
  int steps_per_call = 16;
  int max_rows = 4096;
  bool dense = false;
  std::string json;  // file
};

// Bytes per second of a copy within the device, read and written ones counted.
double CopyBandwidth() {
  constexpr size_t kBytes = size_t{1} << 30;
  constexpr int kCopies = 20;
  const auto from = Require(cuda::DeviceBuffer<std::byte>::Create(kBytes));
  const auto to = Require(cuda::DeviceBuffer<std::byte>::Create(kBytes));
  const auto copy = [&] {
    cudaMemcpyAsync(to.data(), from.data(), kBytes, cudaMemcpyDeviceToDevice, nullptr);
  };
  copy();
  cudaDeviceSynchronize();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kCopies; ++i) copy();
  cudaDeviceSynchronize();
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  return 2.0 * kBytes * kCopies / time.count();
}

int64_t MatrixElements(const ModelConfig& config) {
  const int64_t width = config.d_model;
  const int64_t attention =
      int64_t{config.n_head} * (2 * config.d_key + 2 * config.d_value) * width;
  return config.n_layer * (attention + 2 * width * config.d_ff) + config.vocab_size * width;
}

// The network with every head over the whole past.
ModelConfig Dense(ModelConfig config) {
  const auto pattern = Require(AttentionPattern::Create({.kind = PatternKind::kDense}));
  for (auto& layer : config.attention) std::fill(layer.begin(), layer.end(), pattern);
  return config;
}

// What the executor says of its way.
std::string TakenPath(const CudaExecutor& executor) {
  return absl::StrContains(executor.info().numerics, "decode=cluster") ? "cluster" : "graph";
}

// The way, the weights, and the caches where they are not as wide.
std::string PathOf(const CudaExecutor& executor) {
  const ExecutorInfo& info = executor.info();
  const std::string path = "strided " + TakenPath(executor) + " " + info.weight_format;
  return info.cache_format == "int8" ? path + ", int8 caches" : path;
}

std::vector<double> InMicroseconds(std::vector<double> seconds) {
  for (double& time : seconds) time *= 1e6;
  return seconds;
}

nlohmann::json Measure(const std::string& shape, CudaExecutor& executor,
                       const BenchOptions& options, int batch, double place, double bandwidth) {
  const ModelConfig& config = executor.config();
  DecodeSetup setup;
  setup.batch = batch;
  setup.steps = options.steps;
  setup.steps_per_call = options.steps_per_call;
  setup.first_position = std::clamp(static_cast<int>(place * config.context_length), 1,
                                    config.context_length - setup.steps);
  RunDecode(executor, setup);  // graphs are made on first use
  const auto begun = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begun < kWarmUp) RunDecode(executor, setup);
  const DecodeTimes times = RunDecode(executor, setup);
  const int middle = setup.first_position + setup.steps / 2;
  const WeightFormat format = *WeightFormatFromName(executor.info().weight_format);
  const int64_t bytes =
      MatrixElements(config) * WeightBytes(format) +
      batch * CacheBytesPerStep(config, middle, CacheElementBytes(executor.info().cache_format));
  const double seconds = times.Median();
  const double floor = static_cast<double>(bytes) / bandwidth;
  return {{"shape", shape},
          {"batch", batch},
          {"position", middle},
          {"path", PathOf(executor)},
          {"us_per_step", seconds * 1e6},
          {"best_us", times.Best() * 1e6},
          {"us_per_step_by_call", InMicroseconds(times.step_seconds)},
          {"tokens_per_s", batch / seconds},
          {"gb_per_s", static_cast<double>(bytes) / seconds / 1e9},
          {"floor_us", floor * 1e6},
          {"share_of_floor", floor / seconds},
          {"hash", times.token_hash}};
}

void Print(const nlohmann::json& row, const std::string& path, const std::string& caches) {
  std::cout << absl::StrFormat("%-18s %-8s %-8s %5d %8d %10.1f %10.1f %10.0f %9.1f %7.2f  %s\n",
                               row["shape"].get<std::string>(), path, caches,
                               row["batch"].get<int>(), row["position"].get<int>(),
                               row["us_per_step"].get<double>(), row["best_us"].get<double>(),
                               row["tokens_per_s"].get<double>(), row["floor_us"].get<double>(),
                               row["share_of_floor"].get<double>(), row["hash"].get<std::string>())
            << std::flush;
}

// A shape's batches and places by one path; one line where the executor has no such path for it.
void MeasureShape(const std::string& directory, const std::string& path, const std::string& caches,
                  const BenchOptions& options, double bandwidth) {
  std::string shape = std::filesystem::path(directory).filename();
  ModelConfig config = Require(ModelConfig::Load(directory + "/config.json"));
  if (options.dense) {
    config = Dense(std::move(config));
    shape += "-dense";
  }
  const RandomModel model = MakeRandomModel(config, /*seed=*/1, DType::kBfloat16);
  CudaOptions cuda;
  cuda.weight_format = *WeightFormatFromName(options.format);
  cuda.cache_format = *CacheFormatFromName(caches);
  cuda.decode_path = *CudaDecodePathFromName(path);
  cuda.max_rows = options.max_rows;
  cuda.max_slots = *std::max_element(options.batches.begin(), options.batches.end());
  auto created = CreateCudaExecutor(model.config, model.weights, cuda);
  if (absl::IsInvalidArgument(created.status())) {
    std::cout << absl::StrFormat("%-18s %-8s refused\n", shape, path);
    return;
  }
  const auto executor = Require(std::move(created));
  for (const int batch : options.batches) {
    if (executor->CacheBytes(config.context_length) * batch >
        executor->cache_usage().capacity_bytes) {
      std::cout << absl::StrFormat("%-18s %5d does not fit\n", shape, batch);
      continue;
    }
    for (const double place : options.places) {
      const nlohmann::json row = Measure(shape, *executor, options, batch, place, bandwidth);
      Print(row, TakenPath(*executor), executor->info().cache_format);
      if (!options.json.empty()) std::ofstream(options.json, std::ios::app) << row << "\n";
    }
  }
}

int Main(int argc, char** argv) {
  BenchOptions options;
  CLI::App app("Decode speed of the CUDA executor, against the floor of bytes over bandwidth");
  app.add_option("shapes", options.shapes, "directories with a config.json")->required();
  app.add_option("--batches", options.batches, "sequences per step")->delimiter(',');
  app.add_option("--places", options.places, "where to time, as shares of the context")
      ->delimiter(',');
  app.add_option("--format", options.format, "float32, float16, bfloat16, int8, float8");
  app.add_option("--cache-format", options.caches, "auto, int8; several: one by one")
      ->delimiter(',')
      ->check(CLI::IsMember({"auto", "int8"}));
  app.add_option("--decode-path", options.paths, "auto, graph, cluster; several: one by one")
      ->delimiter(',')
      ->check(CLI::IsMember({"auto", "graph", "cluster"}));
  app.add_option("--steps", options.steps, "timed steps of a run");
  app.add_option("--steps-per-call", options.steps_per_call, "steps that the host does not see");
  app.add_option("--max-rows", options.max_rows, "of a prefill step");
  app.add_flag("--dense", options.dense, "every head reads all; the shape's name gets -dense");
  app.add_option("--json", options.json, "append JSON lines to this file");
  CLI11_PARSE(app, argc, argv);
  cudaDeviceProp properties;
  cudaGetDeviceProperties(&properties, 0);
  const double bandwidth = CopyBandwidth();
  std::cout << absl::StrFormat(
      "%s, copy %.2f TB/s\n%-18s %-8s %-8s %5s %8s %10s %10s %10s %9s %7s  %s\n", properties.name,
      bandwidth / 1e12, "shape", "path", "caches", "batch", "position", "us/step", "best",
      "tokens/s", "floor us", "share", "tokens");
  for (const std::string& directory : options.shapes) {
    for (const std::string& path : options.paths) {
      for (const std::string& caches : options.caches) {
        MeasureShape(directory, path, caches, options, bandwidth);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace strided

int main(int argc, char** argv) { return strided::ExitStatusOf(strided::Main, argc, argv); }
