// A key or a value as int8 caches hold it (engine/cuda/kernels/narrow_row.cuh), by a plain
// computation.

#ifndef STRIDED_TESTS_ENGINE_CUDA_INT8_ROW_H_
#define STRIDED_TESTS_ENGINE_CUDA_INT8_ROW_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace strided::cuda {

struct Int8Row {
  explicit Int8Row(std::span<const float> row) {
    for (const float x : row) scale = std::max(scale, std::abs(x));
    scale /= 127;
    const float inverse = scale > 0 ? 1 / scale : 0;
    for (const float x : row) elements.push_back(static_cast<int8_t>(std::nearbyint(x * inverse)));
  }

  float scale = 0;  // x = scale * element
  std::vector<int8_t> elements;
};

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_ENGINE_CUDA_INT8_ROW_H_
