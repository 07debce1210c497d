// Arrays between tests and the device.

#ifndef STRIDED_TESTS_ENGINE_CUDA_DEVICE_ARRAY_H_
#define STRIDED_TESTS_ENGINE_CUDA_DEVICE_ARRAY_H_

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "engine/cuda/device_buffer.h"
#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda {

inline constexpr cudaStream_t kDefaultStream = nullptr;

template <typename T>
DeviceBuffer<T> ToDevice(const std::vector<T>& host) {
  DeviceBuffer<T> buffer = *DeviceBuffer<T>::Create(host.size());
  EXPECT_TRUE(buffer.CopyFrom(std::span<const T>(host), kDefaultStream).ok());
  return buffer;
}

template <typename T>
std::vector<T> FromDevice(const DeviceBuffer<T>& buffer) {
  std::vector<T> host(buffer.size());
  const absl::Status status = buffer.CopyTo(host, kDefaultStream);
  EXPECT_TRUE(status.ok()) << status;
  return host;
}

// Normally distributed numbers, the same on every machine.
inline std::vector<float> RandomFloats(size_t count, uint32_t seed, float deviation = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// A value in the operand's type, as bytes.
inline void StoreOperand(float value, Operand operand, std::byte* to) {
  const __half half(value);
  const __nv_bfloat16 bfloat16(value);
  switch (operand) {
    case Operand::kFloat32:
      std::memcpy(to, &value, sizeof value);
      return;
    case Operand::kFloat16:
      std::memcpy(to, &half, sizeof half);
      return;
    case Operand::kBfloat16:
      std::memcpy(to, &bfloat16, sizeof bfloat16);
      return;
  }
}

inline float LoadOperand(const std::byte* from, Operand operand) {
  float value = 0;
  __half half;
  __nv_bfloat16 bfloat16;
  switch (operand) {
    case Operand::kFloat32:
      std::memcpy(&value, from, sizeof value);
      return value;
    case Operand::kFloat16:
      std::memcpy(&half, from, sizeof half);
      return static_cast<float>(half);
    case Operand::kBfloat16:
      std::memcpy(&bfloat16, from, sizeof bfloat16);
      return static_cast<float>(bfloat16);
  }
  return value;
}

// Rows of values, in the operand's type; each row starts at a multiple of `stride` elements, with
// zeros behind its values.
inline std::vector<std::byte> EncodeRows(std::span<const float> values, int width, int64_t stride,
                                         Operand operand) {
  const auto bytes = static_cast<size_t>(OperandBytes(operand));
  const size_t rows = values.size() / static_cast<size_t>(width);
  std::vector<std::byte> encoded(rows * static_cast<size_t>(stride) * bytes);
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t row = i / static_cast<size_t>(width);
    const size_t at = row * static_cast<size_t>(stride) + i % static_cast<size_t>(width);
    StoreOperand(values[i], operand, encoded.data() + at * bytes);
  }
  return encoded;
}

inline std::vector<float> DecodeRows(std::span<const std::byte> encoded, int width, int64_t stride,
                                     Operand operand) {
  const auto bytes = static_cast<size_t>(OperandBytes(operand));
  const size_t rows = encoded.size() / bytes / static_cast<size_t>(stride);
  std::vector<float> values;
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < static_cast<size_t>(width); ++i) {
      const size_t at = row * static_cast<size_t>(stride) + i;
      values.push_back(LoadOperand(encoded.data() + at * bytes, operand));
    }
  }
  return values;
}

// Rounded as the operand's type rounds.
inline std::vector<float> Rounded(std::vector<float> values, Operand operand) {
  std::byte bytes[4];
  for (float& value : values) {
    StoreOperand(value, operand, bytes);
    value = LoadOperand(bytes, operand);
  }
  return values;
}

// The largest |actual - expected| / (1 + |expected|), with its index in the message.
inline void ExpectNear(std::span<const float> actual, std::span<const double> expected,
                       double limit) {
  ASSERT_EQ(actual.size(), expected.size());
  double worst = 0;
  size_t index = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(actual[i] - expected[i]) / (1 + std::abs(expected[i]));
    if (error <= worst) continue;
    worst = error;
    index = i;
    if (std::isnan(error)) break;
  }
  if (actual.empty()) return;
  EXPECT_LE(worst, limit) << "element " << index << ": " << actual[index] << ", expected "
                          << expected[index];
}

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_ENGINE_CUDA_DEVICE_ARRAY_H_
