#include "engine/cuda/kernels/weight_packing.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace strided::cuda {
namespace {

constexpr int kLanes = 32;
constexpr int kLaneElements = 8;
constexpr float kLargestInt8 = 127;
constexpr float kLargestFloat8 = 448;

bool HasScales(WeightFormat format) {
  return format == WeightFormat::kInt8 || format == WeightFormat::kFloat8;
}

float ScaleOf(const SourceRow& source, std::span<const float> values, WeightFormat format) {
  if (format == WeightFormat::kInt8 && source.part->dtype == DType::kInt8) {
    float scale = 0;
    const size_t at = static_cast<size_t>(source.row) * sizeof scale;
    std::memcpy(&scale, source.part->scales.data() + at, sizeof scale);
    return scale;
  }
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest / (format == WeightFormat::kInt8 ? kLargestInt8 : kLargestFloat8);
}

template <typename T>
void Store(T value, std::byte* to) {
  std::memcpy(to, &value, sizeof value);
}

// `value` is in units of the row's scale where the format has scales.
void Encode(float value, WeightFormat format, std::byte* to) {
  switch (format) {
    case WeightFormat::kFloat32:
      return Store(value, to);
    case WeightFormat::kFloat16:
      return Store(__half(value), to);
    case WeightFormat::kBfloat16:
      return Store(__nv_bfloat16(value), to);
    case WeightFormat::kInt8:
      return Store(static_cast<int8_t>(std::lrint(std::clamp(value, -127.0F, 127.0F))), to);
    case WeightFormat::kFloat8:
      return Store(__nv_fp8_e4m3(value), to);
  }
}

// Byte offset of an element of a packed matrix.
size_t OffsetOf(int row, int column, int steps, WeightFormat format) {
  const auto bytes = static_cast<size_t>(WeightBytes(format));
  if (format == WeightFormat::kFloat32) {
    const size_t inputs = static_cast<size_t>(steps) * kStepInputs;
    return (static_cast<size_t>(row) * inputs + static_cast<size_t>(column)) * bytes;
  }
  const int steps_per_unit = bytes == 1 ? 2 : 1;
  const int tile = row / kTileOutputs;
  const int step = column / kStepInputs;
  const int r = row % kTileOutputs;
  const int c = column % kStepInputs;
  const int lane = r % 8 * 4 + c % 8 / 2;
  const int index = c % 2 + r / 8 * 2 + c / 8 * 4;
  const int unit = (tile * steps + step) / steps_per_unit;
  const int within = step % steps_per_unit * kLaneElements + index;
  const int lane_elements = kLaneElements * steps_per_unit;
  const auto lanes_before = static_cast<size_t>(unit) * kLanes + static_cast<size_t>(lane);
  return (lanes_before * static_cast<size_t>(lane_elements) + static_cast<size_t>(within)) * bytes;
}

}  // namespace

int64_t PackedBytes(int outputs, int inputs, WeightFormat format) {
  return int64_t{PackedTiles(outputs)} * kTileOutputs * PackedSteps(inputs) * kStepInputs *
         WeightBytes(format);
}

PackedWeights PackRows(std::span<const SourceRow> rows, int inputs, WeightFormat format) {
  const int outputs = static_cast<int>(rows.size());
  const int steps = PackedSteps(inputs);
  PackedWeights packed;
  packed.bytes.resize(static_cast<size_t>(PackedBytes(outputs, inputs, format)));
  if (HasScales(format)) packed.scales.resize(rows.size());
  std::vector<float> values(static_cast<size_t>(inputs));
  for (int row = 0; row < outputs; ++row) {
    const SourceRow& source = rows[static_cast<size_t>(row)];
    source.part->ReadRow(source.row, values);
    float inverse = 1;
    if (HasScales(format)) {
      const float scale = ScaleOf(source, values, format);
      packed.scales[static_cast<size_t>(row)] = scale;
      inverse = scale > 0 ? 1 / scale : 0;
    }
    for (int column = 0; column < inputs; ++column) {
      Encode(values[static_cast<size_t>(column)] * inverse, format,
             packed.bytes.data() + OffsetOf(row, column, steps, format));
    }
  }
  return packed;
}

}  // namespace strided::cuda
