#include "tests/benchmarks/cached_product.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <span>

#include "engine/cpu/thread_team.h"

namespace strided {
namespace {

constexpr int kOutputs = 256;
constexpr int kInputs = 256;
constexpr size_t kInputStride = kInputs * sizeof(float) + 64;  // bytes; enough for every form
constexpr size_t kOutStride = kOutputs + 16;                   // floats

AlignedArray<float> Waves(size_t count) {
  auto values = AlignedArray<float>::Zeros(count);
  for (size_t i = 0; i < count; ++i) values[i] = std::sin(static_cast<float>(i));
  return values;
}

}  // namespace

CachedProduct::CachedProduct(const Kernels& kernels, ProductForm form, int rows)
    : values_(Waves(size_t{kOutputs} * kInputs)),
      arena_(PackedMatrix::ArenaBytes(form, kOutputs, kInputs)),
      encoded_(AlignedArray<std::byte>::Zeros(kInputStride * static_cast<size_t>(rows))),
      scales_(static_cast<size_t>(rows)),
      out_(AlignedArray<float>::Zeros(kOutStride * static_cast<size_t>(rows))),
      product_(kernels.product[static_cast<size_t>(form)]) {
  tensor_.shape = {kOutputs, kInputs};
  tensor_.data = std::as_bytes(values_.span());
  const MatrixPart whole{&tensor_, nullptr, 0, kOutputs, 0};
  matrix_ = PackedMatrix::Pack(form, kOutputs, {&whole, 1}, arena_);
  for (size_t row = 0; row < scales_.size(); ++row) {
    scales_[row] = kernels.encode[static_cast<size_t>(form)](values_.data(), kInputs,
                                                             encoded_.data() + row * kInputStride);
  }
  task_.matrix = &matrix_;
  task_.last_panel = matrix_.panels();
  task_.input = {encoded_.data(), kInputStride, scales_.data()};
  task_.rows = rows;
  task_.out = out_.data();
  task_.out_stride = kOutStride;
}

int64_t CachedProduct::multiply_adds() const { return int64_t{task_.rows} * kOutputs * kInputs; }

double MultiplyAddRate(const Kernels& kernels, ProductForm form, int threads) {
  constexpr int kRows = 8;
  constexpr int kPasses = 40;
  constexpr int kRepeats = 100;  // a millisecond or less: short beside a turn of the scheduler
  std::vector<std::unique_ptr<CachedProduct>> products;
  for (int i = 0; i < threads; ++i) {
    products.push_back(std::make_unique<CachedProduct>(kernels, form, kRows));
  }
  ThreadTeam team(threads);
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    team.Run([&](int member) {
      for (int i = 0; i < kRepeats; ++i) products[static_cast<size_t>(member)]->Run();
    });
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    const auto done = static_cast<double>(products.front()->multiply_adds()) * kRepeats * threads;
    best = std::max(best, done / time.count());
  }
  return best;
}

}  // namespace strided
