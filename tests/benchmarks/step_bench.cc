// How fast the CPU executor decodes, against what this machine's memory allows.
//
//   step_bench                         the released CIFAR-10 network's shape, random weights
//   step_bench --model=DIR             a model directory
//   step_bench --positions=FILE.csv    time per token against position, sparse and dense
//
// The floor of a step is the bytes of weights and caches that it reads and writes over the memory
// bandwidth measured in the same run. Where the last cache holds part of them, a step may be
// faster. Beside it, the time of the step's multiply-adds at the rate that the product kernels
// reach in the same run with their operands in a core's caches: in float32 and large batches that
// is the longer of the two.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "engine/cache/cache_bytes.h"
#include "engine/cpu/core_count.h"
#include "engine/cpu/cpu_executor.h"
#include "engine/cpu/kernels/kernels.h"
#include "engine/cpu/network.h"
#include "tests/benchmarks/cached_product.h"
#include "tests/benchmarks/decode_run.h"
#include "tests/benchmarks/memory_bandwidth.h"
#include "tests/benchmarks/require.h"
#include "tests/testing/random_model.h"

namespace strided {
namespace {

struct BenchOptions {
  std::string model;  // directory; empty: the built-in shape
  std::vector<std::string> formats = {"float32", "bfloat16", "int8"};
  std::vector<int> batches = {1, 8, 32};
  int threads = 0;
  int steps = 32;
  int tries = 3;
  int position = 0;  // of the first timed step; 0: half the context
  std::string instruction_set;
  std::string positions;  // CSV file
  bool json = false;
};

AttentionPattern Pattern(const AttentionPattern::Spec& spec) {
  return Require(AttentionPattern::Create(spec));
}

// c10-58m of the model format: 128 layers, one strided and three local in turn.
ModelConfig CifarShape(bool dense) {
  ModelConfig config;
  config.modality = Modality::kImage;
  config.image = ImageShape{32, 32, 3};
  config.vocab_size = 256;
  config.context_length = 3072;
  config.n_layer = 128;
  config.n_head = 2;
  config.d_model = 256;
  config.d_ff = 512;
  config.d_key = 64;
  config.d_value = 128;
  config.norm_epsilon = 1e-5;
  config.final_norm_epsilon = 1e-6;
  config.position_axes = {32, 32, 3};
  for (int layer = 0; layer < config.n_layer; ++layer) {
    AttentionPattern::Spec spec = {.kind = PatternKind::kLocal, .window = 96};
    if (layer % 4 == 0) spec = {.kind = PatternKind::kStrided, .stride = 96};
    if (dense) spec = {.kind = PatternKind::kDense};
    config.attention.emplace_back(2, Pattern(spec));
  }
  return config;
}

// A model under test, from a directory or drawn at random.
struct Model {
  std::string name;
  std::optional<TemporaryDirectory> directory;
  ModelConfig config;
  Weights weights;
};

Model BuiltInModel(bool dense) {
  RandomModel random = MakeRandomModel(CifarShape(dense), /*seed=*/1, DType::kBfloat16);
  return {dense ? "cifar10-59m shape, dense" : "cifar10-59m shape, random weights",
          std::move(random.directory), std::move(random.config), std::move(random.weights)};
}

Model OpenModel(const std::string& directory) {
  ModelConfig config = Require(ModelConfig::Load(directory + "/config.json"));
  Weights weights = Require(Weights::Load(directory, config));
  return {directory, std::nullopt, std::move(config), std::move(weights)};
}

WeightFormat FormatFromName(const std::string& name) {
  if (name == "float32") return WeightFormat::kFloat32;
  return name == "int8" ? WeightFormat::kInt8 : WeightFormat::kBfloat16;
}

int ThreadsOf(const BenchOptions& options) {
  return options.threads > 0 ? options.threads : UsableCores();
}

int64_t BytesOfWeights(const Model& model, const std::string& format) {
  const ProductForm form = format == "float32"    ? ProductForm::kFloat32
                           : format == "bfloat16" ? ProductForm::kBfloat16Wide
                                                  : ProductForm::kInt8Quads;
  return MatrixBytes(model.config, form);
}

const Kernels& KernelsOf(const BenchOptions& options) {
  for (const Kernels& kernels : AvailableKernels()) {
    if (kernels.name == options.instruction_set) return kernels;
  }
  return AvailableKernels().back();
}

// Of one sequence: its products, and its attention, which is float32 arithmetic in every format.
double ArithmeticSeconds(const Model& model, const BenchOptions& options, const std::string& format,
                         int position) {
  const Kernels& kernels = KernelsOf(options);
  const int threads = ThreadsOf(options);
  const ProductForm form = format == "float32"    ? ProductForm::kFloat32
                           : format == "bfloat16" ? kernels.bfloat16_form
                                                  : kernels.int8_form;
  const auto products = static_cast<double>(MatrixBytes(model.config, ProductForm::kInt8Quads));
  const auto attention = static_cast<double>(CacheBytesPerStep(model.config, position, 2)) / 2;
  return products / MultiplyAddRate(kernels, form, threads) +
         attention / MultiplyAddRate(kernels, ProductForm::kFloat32, threads);
}

// Of an element of the CPU's caches, by the format of the weights.
int CacheElementBytesBeside(const std::string& format) {
  return CacheElementBytes(format == "float32" ? "float32" : "bfloat16");
}

std::unique_ptr<Executor> MakeExecutor(const Model& model, const BenchOptions& options,
                                       const std::string& format, int batch) {
  CpuOptions cpu;
  cpu.weight_format = FormatFromName(format);
  cpu.threads = options.threads;
  cpu.instruction_set = options.instruction_set;
  cpu.max_rows = std::max(batch, 64);
  cpu.max_slots = batch;
  cpu.cache_capacity_bytes = batch * SequenceCacheBytes(model.config, model.config.context_length,
                                                        CacheElementBytesBeside(format));
  return Require(CreateCpuExecutor(model.config, model.weights, cpu));
}

// The fastest of several runs, by its median step.
DecodeTimes BestRun(Executor& executor, const DecodeSetup& setup, int tries) {
  DecodeTimes best = RunDecode(executor, setup);
  for (int i = 1; i < tries; ++i) {
    DecodeTimes run = RunDecode(executor, setup);
    if (run.Median() < best.Median()) best = std::move(run);
  }
  return best;
}

nlohmann::json Measure(const Model& model, const BenchOptions& options, const std::string& format,
                       int batch, double bandwidth) {
  const std::unique_ptr<Executor> executor = MakeExecutor(model, options, format, batch);
  DecodeSetup setup;
  setup.batch = batch;
  setup.steps = options.steps;
  setup.first_position = options.position > 0 ? options.position : model.config.context_length / 2;
  const DecodeTimes times = BestRun(*executor, setup, options.tries);
  const int middle = setup.first_position + setup.steps / 2;
  const int64_t weight_bytes = BytesOfWeights(model, format);
  const int64_t cache_bytes =
      batch * CacheBytesPerStep(model.config, middle, CacheElementBytesBeside(format));
  const double arithmetic_seconds = batch * ArithmeticSeconds(model, options, format, middle);
  const double floor_seconds = static_cast<double>(weight_bytes + cache_bytes) / bandwidth;
  return {{"format", format},
          {"batch", batch},
          {"numerics", executor->info().numerics},
          {"step_ms_median", times.Median() * 1e3},
          {"step_ms_best", times.Best() * 1e3},
          {"tokens_per_second", batch / times.Median()},
          {"weight_bytes", weight_bytes},
          {"cache_bytes", cache_bytes},
          {"floor_ms", floor_seconds * 1e3},
          {"share_of_floor", floor_seconds / times.Median()},
          {"arithmetic_ms", arithmetic_seconds * 1e3},
          {"share_of_arithmetic", arithmetic_seconds / times.Median()},
          {"token_hash", times.token_hash}};
}

void PrintRow(const nlohmann::json& row) {
  std::cout << absl::StrFormat(
                   "%-9s %5d %11.3f %9.3f %10.1f %9.1f %8.1f %9.3f %7.2f %9.3f %7.2f  %s\n",
                   row["format"].get<std::string>(), row["batch"].get<int>(),
                   row["step_ms_median"].get<double>(), row["step_ms_best"].get<double>(),
                   row["tokens_per_second"].get<double>(), row["weight_bytes"].get<double>() / 1e6,
                   row["cache_bytes"].get<double>() / 1e6, row["floor_ms"].get<double>(),
                   row["share_of_floor"].get<double>(), row["arithmetic_ms"].get<double>(),
                   row["share_of_arithmetic"].get<double>(), row["token_hash"].get<std::string>())
            << std::flush;
}

int RunTable(const BenchOptions& options) {
  constexpr size_t kFarBeyondCaches = size_t{1} << 30;
  constexpr size_t kWithinLastCache = size_t{12} << 20;
  const int threads = ThreadsOf(options);
  const double bandwidth = ReadBandwidth(kFarBeyondCaches, threads);
  const double cache_bandwidth = ReadBandwidth(kWithinLastCache, threads);
  const Model model = options.model.empty() ? BuiltInModel(false) : OpenModel(options.model);
  nlohmann::json report = {{"model", model.name},
                           {"threads", threads},
                           {"memory_bytes_per_second", bandwidth},
                           {"last_cache_bytes_per_second", cache_bandwidth},
                           {"rows", nlohmann::json::array()}};
  if (!options.json) {
    std::cout << absl::StrFormat(
        "%s, %d threads; memory %.1f GB/s, last cache %.1f GB/s (read)\n"
        "format    batch  ms(median)  ms(best)   tokens/s weight MB cache MB  floor ms   share  "
        "arith ms   share  tokens\n",
        model.name, threads, bandwidth / 1e9, cache_bandwidth / 1e9);
  }
  for (const std::string& format : options.formats) {
    for (const int batch : options.batches) {
      report["rows"].push_back(Measure(model, options, format, batch, bandwidth));
      if (!options.json) PrintRow(report["rows"].back());
    }
  }
  if (options.json) std::cout << report.dump(2) << "\n";
  return 0;
}

// Batch 1, the first format: sixteen places along the context, the pattern and dense.
int RunPositions(const BenchOptions& options) {
  constexpr int kPlaces = 16;
  std::ofstream file(options.positions);
  file << "pattern,position,milliseconds_per_token\n";
  for (const bool dense : {false, true}) {
    const Model model = BuiltInModel(dense);
    const std::unique_ptr<Executor> executor =
        MakeExecutor(model, options, options.formats.front(), 1);
    for (int place = 0; place < kPlaces; ++place) {
      DecodeSetup setup;
      setup.steps = options.steps;
      const int last = model.config.context_length - setup.steps;
      setup.first_position = std::max(last * place / (kPlaces - 1), 1);
      const DecodeTimes times = BestRun(*executor, setup, options.tries);
      const std::string line =
          absl::StrFormat("%s,%d,%.4f", dense ? "dense" : "sparse",
                          setup.first_position + setup.steps / 2, times.Median() * 1e3);
      file << line << "\n";
      std::cout << line << std::endl;
    }
  }
  return file.good() ? 0 : 1;
}

int Main(int argc, char** argv) {
  BenchOptions options;
  CLI::App app("Decode speed of the CPU executor, against the floor of bytes over bandwidth");
  app.add_option("--model", options.model, "model directory; default: cifar10-59m's shape");
  app.add_option("--formats", options.formats, "of float32, bfloat16, int8")->delimiter(',');
  app.add_option("--batches", options.batches, "sequences per step")->delimiter(',');
  app.add_option("--threads", options.threads, "0: one per core");
  app.add_option("--steps", options.steps, "timed steps of a run")->check(CLI::PositiveNumber);
  app.add_option("--tries", options.tries, "runs, of which the best counts");
  app.add_option("--position", options.position,
                 "first timed position, at least 1; default: half the context");
  app.add_option("--instruction_set", options.instruction_set, "e.g. avx2; default: the widest");
  app.add_option("--positions", options.positions, "write time against position to this CSV file");
  app.add_flag("--json", options.json, "print JSON");
  CLI11_PARSE(app, argc, argv);
  return options.positions.empty() ? RunTable(options) : RunPositions(options);
}

}  // namespace
}  // namespace strided

int main(int argc, char** argv) { return strided::ExitStatusOf(strided::Main, argc, argv); }
