#include "tests/testing/safetensors_writer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace strided {
namespace {

template <typename T>
void AppendBytes(T value, std::string& bytes) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes.append(raw, sizeof(T));
}

// Round half to even on the 16 bits that go.
uint16_t ToBfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// By the definition: the nearest multiple of the spacing at this magnitude, halves to even.
uint16_t ToFloat16(float value) {
  const uint32_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7e00);
  const double magnitude = std::fabs(double{value});
  if (magnitude >= 65520) return static_cast<uint16_t>(sign | 0x7c00);  // rounds to infinity
  const int exponent = magnitude == 0 ? -14 : std::max(-14, std::ilogb(magnitude));
  // In units of 2^(exponent - 10), with the implicit bit where there is one; a carry into the
  // exponent is what the sum below makes of it.
  const auto units = static_cast<uint32_t>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  return static_cast<uint16_t>(sign | (static_cast<uint32_t>(exponent + 14) * 1024 + units));
}

}  // namespace

StoredTensor StoreValues(absl::string_view name, DType dtype, std::vector<int64_t> shape,
                         std::span<const float> values) {
  StoredTensor tensor{.name = std::string(name),
                      .dtype = std::string(DTypeName(dtype)),
                      .shape = std::move(shape),
                      .bytes = {}};
  tensor.bytes.reserve(values.size() * sizeof(float));
  for (const float value : values) {
    if (dtype == DType::kFloat32) AppendBytes(value, tensor.bytes);
    if (dtype == DType::kFloat16) AppendBytes(ToFloat16(value), tensor.bytes);
    if (dtype == DType::kBfloat16) AppendBytes(ToBfloat16(value), tensor.bytes);
  }
  return tensor;
}

std::vector<StoredTensor> StoreInt8(absl::string_view name, std::vector<int64_t> shape,
                                    std::span<const float> values) {
  const size_t columns = static_cast<size_t>(shape[1]);
  std::vector<float> scales;
  std::string bytes;
  for (size_t begin = 0; begin < values.size(); begin += columns) {
    const std::span<const float> row = values.subspan(begin, columns);
    float largest = 0;
    for (const float value : row) largest = std::max(largest, std::fabs(value));
    const float scale = largest / 127;
    for (const float value : row) {
      AppendBytes(static_cast<int8_t>(scale == 0 ? 0 : std::lrint(value / scale)), bytes);
    }
    scales.push_back(scale);
  }
  return {{.name = std::string(name), .dtype = "I8", .shape = shape, .bytes = std::move(bytes)},
          StoreValues(absl::StrCat(name, ".scale"), DType::kFloat32, {shape[0]}, scales)};
}

std::string SafetensorsHeader(std::span<const StoredTensor> tensors) {
  nlohmann::json header = {{"__metadata__", {{"format", "pt"}}}};
  size_t offset = 0;
  for (const StoredTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  return header.dump();
}

std::string SafetensorsFile(absl::string_view header, absl::string_view data) {
  std::string file;
  AppendBytes(uint64_t{header.size()}, file);
  absl::StrAppend(&file, header, data);
  return file;
}

std::string SafetensorsFile(std::span<const StoredTensor> tensors) {
  std::string data;
  for (const StoredTensor& tensor : tensors) data += tensor.bytes;
  return SafetensorsFile(SafetensorsHeader(tensors), data);
}

}  // namespace strided
