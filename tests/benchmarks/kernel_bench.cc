// Each kernel alone, with its operands in a core's caches: what the arithmetic costs.
//
//   kernel_bench --benchmark_filter=Attend
//
// One line per instruction set and shape. Products count multiply-adds (items), attention the bytes
// of keys and values.

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cpu/kernels/aligned_array.h"
#include "engine/cpu/kernels/kernels.h"
#include "tests/benchmarks/cached_product.h"

namespace strided {
namespace {

AlignedArray<float> Waves(size_t count) {
  auto values = AlignedArray<float>::Zeros(count);
  for (size_t i = 0; i < count; ++i) values[i] = std::sin(static_cast<float>(i));
  return values;
}

void Product(benchmark::State& state, const Kernels& kernels, ProductForm form, int rows) {
  const CachedProduct product(kernels, form, rows);
  for ([[maybe_unused]] auto _ : state) product.Run();
  state.SetItemsProcessed(state.iterations() * product.multiply_adds());
}

void Attend(benchmark::State& state, const Kernels& kernels, bool float32, int keys) {
  constexpr int kKey = 64;
  constexpr int kValue = 128;
  const auto query = Waves(kKey);
  const size_t element = float32 ? 4 : 2;
  const auto row_count = static_cast<size_t>(keys);
  auto cache_keys = AlignedArray<std::byte>::Zeros(row_count * kKey * element);
  auto cache_values = AlignedArray<std::byte>::Zeros(row_count * kValue * element);
  auto scratch = AlignedArray<float>::Zeros(AttendScratch(keys, kKey));
  auto out = AlignedArray<float>::Zeros(kValue);
  std::vector<int32_t> rows(row_count);
  std::iota(rows.begin(), rows.end(), 0);
  AttendTask task;
  task.query = query.data();
  task.keys = cache_keys.data();
  task.values = cache_values.data();
  task.d_key = kKey;
  task.d_value = kValue;
  task.rows = rows;
  task.scratch = scratch.data();
  task.out = out.data();
  const auto attend = float32 ? kernels.attend_float32 : kernels.attend_bfloat16;
  for ([[maybe_unused]] auto _ : state) attend(task);
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(cache_keys.size() + cache_values.size()));
}

constexpr int kWidth = 512;

void Normalise(benchmark::State& state, const Kernels& kernels) {
  const auto in = Waves(kWidth);
  auto out = AlignedArray<float>::Zeros(kWidth);
  const NormTask task{in.data(), in.data(), in.data(), kWidth, 1e-5f, Norm::kLayer, out.data()};
  for ([[maybe_unused]] auto _ : state) kernels.normalise(task);
  state.SetItemsProcessed(state.iterations() * kWidth);
}

void Activate(benchmark::State& state, const Kernels& kernels, Activation activation) {
  const auto in = Waves(kWidth);
  auto values = AlignedArray<float>::Zeros(kWidth);
  for ([[maybe_unused]] auto _ : state) {
    std::memcpy(values.data(), in.data(), kWidth * sizeof(float));
    kernels.activate(activation, values.data(), kWidth);
  }
  state.SetItemsProcessed(state.iterations() * kWidth);
}

void Encode(benchmark::State& state, const Kernels& kernels, ProductForm form) {
  const auto in = Waves(kWidth);
  auto out = AlignedArray<std::byte>::Zeros(kWidth * sizeof(float));
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(
        kernels.encode[static_cast<size_t>(form)](in.data(), kWidth, out.data()));
  }
  state.SetItemsProcessed(state.iterations() * kWidth);
}

constexpr const char* kFormNames[kProductForms] = {"float32", "bfloat16_wide", "bfloat16_dot",
                                                   "int8_pairs", "int8_quads"};

void Register(const Kernels& kernels) {
  const std::string set(kernels.name);
  for (int form = 0; form < kProductForms; ++form) {
    if (kernels.product[form] == nullptr) continue;
    const std::string name = absl::StrCat("/", set, "/", kFormNames[form]);
    for (const int rows : {1, 8, 32}) {
      benchmark::RegisterBenchmark(absl::StrCat("Product", name, "/rows:", rows).c_str(), Product,
                                   kernels, static_cast<ProductForm>(form), rows);
    }
    benchmark::RegisterBenchmark(absl::StrCat("Encode", name).c_str(), Encode, kernels,
                                 static_cast<ProductForm>(form));
  }
  for (const int keys : {16, 96}) {
    benchmark::RegisterBenchmark(absl::StrCat("Attend/", set, "/float32/keys:", keys).c_str(),
                                 Attend, kernels, true, keys);
    benchmark::RegisterBenchmark(absl::StrCat("Attend/", set, "/bfloat16/keys:", keys).c_str(),
                                 Attend, kernels, false, keys);
  }
  benchmark::RegisterBenchmark(absl::StrCat("Normalise/", set).c_str(), Normalise, kernels);
  benchmark::RegisterBenchmark(absl::StrCat("QuickGelu/", set).c_str(), Activate, kernels,
                               Activation::kQuickGelu);
  benchmark::RegisterBenchmark(absl::StrCat("Gelu/", set).c_str(), Activate, kernels,
                               Activation::kGelu);
}

}  // namespace
}  // namespace strided

int main(int argc, char** argv) {
  for (const strided::Kernels& kernels : strided::AvailableKernels()) strided::Register(kernels);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
