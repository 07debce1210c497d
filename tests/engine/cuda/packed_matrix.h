// A random matrix as products take it, and what it holds.

#ifndef STRIDED_TESTS_ENGINE_CUDA_PACKED_MATRIX_H_
#define STRIDED_TESTS_ENGINE_CUDA_PACKED_MATRIX_H_

#include <cuda_fp8.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/kernels/weight_packing.h"
#include "engine/model/tensor.h"
#include "engine/model/weight_format.h"
#include "tests/engine/cuda/device_array.h"

namespace strided::cuda {

// [outputs, inputs] with a bias, in device memory, scaled so that random inputs around 1 give
// outputs around 1. What the format rounds is rounded in Product too.
class PackedMatrix {
 public:
  PackedMatrix(int outputs, int inputs, WeightFormat format, uint32_t seed)
      : outputs_(outputs),
        inputs_(inputs),
        values_(RandomFloats(static_cast<size_t>(outputs) * static_cast<size_t>(inputs), seed,
                             1 / std::sqrt(static_cast<float>(inputs)))),
        bias_(RandomFloats(static_cast<size_t>(outputs), seed + 1)) {
    Tensor tensor;
    tensor.dtype = DType::kFloat32;
    tensor.shape = {outputs, inputs};
    tensor.data = std::as_bytes(std::span<const float>(values_));
    std::vector<SourceRow> source;
    for (int row = 0; row < outputs; ++row) source.push_back({&tensor, row});
    const PackedWeights packed = PackRows(source, inputs, format);
    device_weights_ = ToDevice(packed.bytes);
    device_scales_ = ToDevice(packed.scales);
    device_bias_ = ToDevice(bias_);
    for (int row = 0; row < outputs; ++row) {
      const float scale = packed.scales.empty() ? 1 : packed.scales[static_cast<size_t>(row)];
      for (float& value : RowOf(row)) value = AsStored(value * (1 / scale), format) * scale;
    }
  }

  int outputs() const { return outputs_; }
  int inputs() const { return inputs_; }
  DeviceMatrix view() const {
    return {device_weights_.data(), device_scales_.data(), device_bias_.data(), outputs_, inputs_};
  }

  // W x + b in double, [outputs]. Requires x.size() == inputs().
  std::vector<double> Product(std::span<const float> x) const {
    std::vector<double> product(bias_.begin(), bias_.end());
    for (size_t out = 0; out < product.size(); ++out) {
      const float* const row = values_.data() + out * x.size();
      for (size_t i = 0; i < x.size(); ++i) product[out] += double{row[i]} * x[i];
    }
    return product;
  }

 private:
  std::span<float> RowOf(int row) {
    const auto width = static_cast<size_t>(inputs_);
    return std::span(values_).subspan(static_cast<size_t>(row) * width, width);
  }
  static float AsStored(float value, WeightFormat format) {
    if (format == WeightFormat::kInt8) return std::nearbyint(value);
    if (format == WeightFormat::kFloat8) return static_cast<float>(__nv_fp8_e4m3(value));
    return Rounded({value}, OperandOf(format)).front();
  }

  int outputs_;
  int inputs_;
  std::vector<float> values_;
  std::vector<float> bias_;
  DeviceBuffer<std::byte> device_weights_;
  DeviceBuffer<float> device_scales_;
  DeviceBuffer<float> device_bias_;
};

inline constexpr WeightFormat kWeightFormats[] = {WeightFormat::kFloat32, WeightFormat::kFloat16,
                                                  WeightFormat::kBfloat16, WeightFormat::kInt8,
                                                  WeightFormat::kFloat8};

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_ENGINE_CUDA_PACKED_MATRIX_H_
