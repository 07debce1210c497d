// What each kernel of a decode step takes, in a chain of its own kind: a graph of dependent
// launches, as in a step. A layer is of the five; up and down are one where there is such a kernel.
//
//   cuda_kernel_bench tests/benchmarks/shapes/cifar10-59m --batches=1,64 --place=0.5
//
// With --chains=qaoud,qoud it prints what any chain of them takes, so what one adds to a layer.
//
// Bytes are those of weights and caches that a launch reads and writes at the least; GB/s of a
// chain over few layers are those of the second-level cache.

#include <cuda_runtime_api.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/device_buffer.h"
#include "engine/cuda/kernels/decode_attention.h"
#include "engine/cuda/kernels/decode_mlp.h"
#include "engine/cuda/kernels/decode_product.h"
#include "engine/cuda/network_loader.h"
#include "engine/cuda/sequence_store.h"
#include "engine/cuda/stream.h"
#include "tests/benchmarks/empty_kernel.h"
#include "tests/benchmarks/require.h"
#include "tests/testing/random_model.h"

namespace strided::cuda {
namespace {

constexpr int kRepeats = 20;

// The buffers of a step of `rows` rows, all sequences at `position`, and its kernels by layer.
class Kernels {
 public:
  Kernels(const ModelConfig& config, const LoadedNetwork& network, int rows, int position,
          cudaStream_t stream)
      : config_(config), network_(network), rows_(rows), stream_(stream) {
    store_ =
        Require(SequenceStore::Create(config, {.max_slots = rows, .element_bytes = 2}, stream));
    const int64_t bytes = store_->CacheBytes(config.context_length) + CacheArena::kAlignment;
    Require(store_->TakeArena(bytes * rows));
    SequenceSpec spec;
    spec.max_length = config.context_length;
    const std::vector<float> start(static_cast<size_t>(config.d_model));
    std::vector<DecodeRow> states;
    for (int r = 0; r < rows; ++r) {
      DecodeRow& state = states.emplace_back();
      state.slot = Require(store_->Add(spec, start));
      state.position = position;
    }
    const auto count = static_cast<size_t>(rows);
    const auto heads = static_cast<size_t>(config.n_head);
    chunks_ = 1;
    for (const auto& layer : config.attention) {
      for (const AttentionPattern& head : layer) {
        const int keys = HeadRows::Of(head).MostKeys(position);
        chunks_ = std::max(chunks_, (keys + kAttentionChunk - 1) / kAttentionChunk);
      }
    }
    const size_t widest =
        std::max({static_cast<size_t>(config.d_ff), heads * static_cast<size_t>(config.d_value)});
    states_ = Require(DeviceBuffer<DecodeRow>::Create(count));
    Require(states_.CopyFrom(states, stream));
    hidden_ = Require(DeviceBuffer<float>::Create(count * static_cast<size_t>(config.d_model)));
    normed_ =
        Require(DeviceBuffer<std::byte>::Create(count * static_cast<size_t>(config.d_model) * 2));
    queries_ =
        Require(DeviceBuffer<float>::Create(count * heads * static_cast<size_t>(config.d_key)));
    wide_ = Require(DeviceBuffer<std::byte>::Create(count * widest * 2));
    partials_ = Require(DeviceBuffer<float>::Create(count * heads * static_cast<size_t>(chunks_) *
                                                    static_cast<size_t>(config.d_value + 2)));
    arrivals_ = Require(DeviceBuffer<int32_t>::Create(count * heads));
    for (const auto& fill :
         {hidden_.Fill(std::byte{0x3c}, stream), queries_.Fill(std::byte{0x3c}, stream),
          wide_.Fill(std::byte{0x3c}, stream), arrivals_.Fill(std::byte{0}, stream)}) {
      Require(fill);
    }
    int device = 0;
    Require(CudaError(cudaGetDevice(&device), "device"));
    Require(
        CudaError(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device),
                  "multiprocessors"));
  }

  absl::Status Qkv(int layer) {
    return LaunchDecodeProduct(QkvOf(layer), multiprocessors_, stream_);
  }
  DecodeProduct QkvOf(int layer) {
    DecodeProduct product = Product(At(layer).qkv, ProductOutput::kQueryKeyValue);
    product.normed = true;
    product.norm = At(layer).attn_norm;
    product.out = reinterpret_cast<std::byte*>(queries_.data());
    product.row_states = states_.data();
    product.sequences = store_->table();
    product.first_head = layer * config_.n_head;
    product.heads = network_.view().head_rows + product.first_head;
    product.n_head = config_.n_head;
    product.d_key = config_.d_key;
    product.d_value = config_.d_value;
    return product;
  }
  absl::Status Attention(int layer) { return LaunchDecodeAttention(AttentionOf(layer), stream_); }
  DecodeAttention AttentionOf(int layer) {
    DecodeAttention attention;
    attention.queries = queries_.data();
    attention.out = wide_.data();
    attention.row_states = states_.data();
    attention.sequences = store_->table();
    attention.first_head = layer * config_.n_head;
    attention.heads = network_.view().head_rows + attention.first_head;
    attention.n_head = config_.n_head;
    attention.d_key = config_.d_key;
    attention.d_value = config_.d_value;
    attention.scale = 1.0F / std::sqrt(static_cast<float>(config_.d_key));
    attention.rows = rows_;
    attention.chunks = chunks_;
    attention.partials = partials_.data();
    attention.arrivals = arrivals_.data();
    return attention;
  }
  absl::Status Empty(int) { return LaunchEmpty(32, stream_); }
  absl::Status Out(int layer) { return Residual(At(layer).out); }
  absl::Status Down(int layer) { return Residual(At(layer).down); }
  absl::Status Up(int layer) {
    DecodeProduct product = Product(At(layer).up, ProductOutput::kActivated);
    product.normed = true;
    product.norm = At(layer).mlp_norm;
    product.out = wide_.data();
    return LaunchDecodeProduct(product, multiprocessors_, stream_);
  }
  // Up and down in one kernel.
  absl::Status Mlp(int layer) { return LaunchDecodeMlp(MlpOf(layer), stream_); }
  bool HasMlp() { return Require(TakesDecodeMlp(MlpOf(0))); }
  absl::Status Layer(int layer) {
    RETURN_IF_ERROR(Qkv(layer));
    RETURN_IF_ERROR(Attention(layer));
    RETURN_IF_ERROR(Out(layer));
    RETURN_IF_ERROR(Up(layer));
    return Down(layer);
  }

 private:
  const DeviceLayer& At(int layer) const {
    return network_.view().layers[static_cast<size_t>(layer)];
  }
  DecodeProduct Product(const DeviceMatrix& matrix, ProductOutput output) {
    DecodeProduct product;
    product.format = network_.view().format;
    product.matrix = matrix;
    product.rows = rows_;
    product.hidden = hidden_.data();
    product.normed_rows = normed_.data();
    product.activation = config_.activation;
    product.output = output;
    return product;
  }
  DecodeMlp MlpOf(int layer) {
    DecodeMlp mlp;
    mlp.format = network_.view().format;
    mlp.norm = At(layer).mlp_norm;
    mlp.up = At(layer).up;
    mlp.down = At(layer).down;
    mlp.activation = config_.activation;
    mlp.hidden = hidden_.data();
    mlp.rows = rows_;
    return mlp;
  }
  absl::Status Residual(const DeviceMatrix& matrix) {
    DecodeProduct product = Product(matrix, ProductOutput::kResidual);
    product.in = wide_.data();
    return LaunchDecodeProduct(product, multiprocessors_, stream_);
  }

  const ModelConfig& config_;
  const LoadedNetwork& network_;
  const int rows_;
  const cudaStream_t stream_;
  int chunks_ = 1;
  int multiprocessors_ = 0;
  std::unique_ptr<SequenceStore> store_;
  DeviceBuffer<DecodeRow> states_;
  DeviceBuffer<float> hidden_;
  DeviceBuffer<std::byte> normed_;
  DeviceBuffer<float> queries_;
  DeviceBuffer<std::byte> wide_;
  DeviceBuffer<float> partials_;
  DeviceBuffer<int32_t> arrivals_;
};

// Microseconds of one of `launch(0)` ... `launch(layers - 1)`, the median of several graphs of all.
double Microseconds(int layers, cudaStream_t stream,
                    const std::function<absl::Status(int)>& launch) {
  const Graph graph = Require(Capture(stream, [&] {
    for (int layer = 0; layer < layers; ++layer) RETURN_IF_ERROR(launch(layer));
    return absl::OkStatus();
  }));
  std::vector<double> times;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    Require(CudaError(cudaStreamSynchronize(stream), "before a chain"));
    const auto start = std::chrono::steady_clock::now();
    constexpr int kLaunches = 4;
    for (int i = 0; i < kLaunches; ++i) {
      Require(CudaError(cudaGraphLaunch(graph.get(), stream), "launching a chain"));
    }
    Require(CudaError(cudaStreamSynchronize(stream), "a chain"));
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    times.push_back(time.count() / (kLaunches * layers));
  }
  std::ranges::sort(times);
  return times[times.size() / 2];
}

// The layer's kernels that `chain` names, each by its letter, in this order.
absl::Status LaunchChain(Kernels& kernels, const std::string& chain, int layer) {
  using Kernel = std::pair<char, absl::Status (Kernels::*)(int)>;
  constexpr Kernel kKernels[] = {{'e', &Kernels::Empty},     {'q', &Kernels::Qkv},
                                 {'a', &Kernels::Attention}, {'o', &Kernels::Out},
                                 {'u', &Kernels::Up},        {'d', &Kernels::Down}};
  for (const char letter : chain) {
    const auto* const kernel = std::ranges::find(kKernels, letter, &Kernel::first);
    if (kernel == std::end(kKernels)) return absl::InvalidArgumentError("no such kernel");
    RETURN_IF_ERROR((kernels.*kernel->second)(layer));
  }
  return absl::OkStatus();
}

// A line: of each chain its microseconds a layer.
void PrintChains(Kernels& kernels, const std::vector<std::string>& chains, int layers, int batch,
                 cudaStream_t stream) {
  std::cout << batch;
  for (const std::string& chain : chains) {
    const double us =
        Microseconds(layers, stream, [&](int layer) { return LaunchChain(kernels, chain, layer); });
    std::cout << absl::StrFormat(" %s:%.2f", chain, us) << std::flush;
  }
  std::cout << "\n";
}

int Main(int argc, char** argv) {
  std::vector<std::string> shapes;
  std::vector<std::string> chains;
  std::vector<int> batches = {1, 8, 64, 256};
  double place = 0.5;
  CLI::App app("Times of a decode step's kernels");
  app.add_option("shapes", shapes, "directories with a config.json")->required();
  app.add_option("--batches", batches, "rows of a step")->delimiter(',');
  app.add_option("--place", place, "where the sequences stand, as a share of the context");
  app.add_option("--chains", chains,
                 "instead: any of e, q, a, o, u, d (empty, qkv ... down) a layer")
      ->delimiter(',');
  CLI11_PARSE(app, argc, argv);
  const Stream stream = Require(CreateStream());
  std::cout << absl::StrFormat("%-18s %5s %8s %8s %8s %8s %8s %8s %9s %8s  us\n", "shape", "batch",
                               "empty", "qkv", "attend", "out", "up", "down", "layer", "mlp");
  for (const std::string& directory : shapes) {
    const ModelConfig config = Require(ModelConfig::Load(directory + "/config.json"));
    const RandomModel model = MakeRandomModel(config, /*seed=*/1, DType::kBfloat16);
    const LoadedNetwork network =
        Require(LoadedNetwork::Load(model.config, model.weights, WeightFormat::kBfloat16));
    const int position = static_cast<int>(place * (config.context_length - 1));
    for (const int batch : batches) {
      Kernels kernels(model.config, network, batch, position, stream.get());
      const auto time = [&](absl::Status (Kernels::*kernel)(int)) {
        return Microseconds(config.n_layer, stream.get(),
                            [&](int layer) { return (kernels.*kernel)(layer); });
      };
      if (!chains.empty()) {
        PrintChains(kernels, chains, config.n_layer, batch, stream.get());
        continue;
      }
      // 0: the shape has no such kernel.
      const bool has_mlp = kernels.HasMlp();
      std::cout << absl::StrFormat("%-18s %5d %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f %9.2f %8.2f\n",
                                   std::filesystem::path(directory).filename().string(), batch,
                                   time(&Kernels::Empty), time(&Kernels::Qkv),
                                   time(&Kernels::Attention), time(&Kernels::Out),
                                   time(&Kernels::Up), time(&Kernels::Down), time(&Kernels::Layer),
                                   has_mlp ? time(&Kernels::Mlp) : 0)
                << std::flush;
    }
  }
  return 0;
}

}  // namespace
}  // namespace strided::cuda

int main(int argc, char** argv) { return strided::ExitStatusOf(strided::cuda::Main, argc, argv); }
