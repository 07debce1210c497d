// A product whose operands stay in a core's caches: what its arithmetic costs.

#ifndef STRIDED_TESTS_BENCHMARKS_CACHED_PRODUCT_H_
#define STRIDED_TESTS_BENCHMARKS_CACHED_PRODUCT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/cpu/kernels/aligned_array.h"
#include "engine/cpu/kernels/kernels.h"
#include "engine/cpu/kernels/packed_matrix.h"
#include "engine/model/tensor.h"

namespace strided {

// A matrix of 256 outputs and 256 inputs times some rows. Used by one thread.
class CachedProduct {
 public:
  // Requires that `kernels`, which outlive the object, have the form.
  CachedProduct(const Kernels& kernels, ProductForm form, int rows);
  CachedProduct(const CachedProduct&) = delete;
  CachedProduct& operator=(const CachedProduct&) = delete;

  void Run() const { product_(task_); }
  // Of one Run.
  int64_t multiply_adds() const;

 private:
  AlignedArray<float> values_;
  Tensor tensor_;
  WeightArena arena_;
  PackedMatrix matrix_;
  AlignedArray<std::byte> encoded_;
  std::vector<float> scales_;
  AlignedArray<float> out_;
  Kernels::Product product_;
  ProductTask task_;
};

// Multiply-adds per second of `threads` threads together, each with a CachedProduct of eight rows:
// the best of several passes.
double MultiplyAddRate(const Kernels& kernels, ProductForm form, int threads);

}  // namespace strided

#endif  // STRIDED_TESTS_BENCHMARKS_CACHED_PRODUCT_H_
