#include "engine/model/tensor.h"

#include <bit>
#include <cassert>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace strided {
namespace {

// Safetensors are little-endian, and elements are copied as they lie.
static_assert(std::endian::native == std::endian::little);

// Loads element `index` of type T; the file promises no alignment.
template <typename T>
T ElementAt(const std::byte* data, size_t index) {
  T element;
  std::memcpy(&element, data + index * sizeof(T), sizeof(T));
  return element;
}

float FromBfloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// Shifts exponent and mantissa into place and corrects the exponent's bias by a product, which is
// exact for subnormals, too. Without branches, so that a row vectorises.
float FromFloat16(uint16_t bits) {
  const uint32_t magnitude = (bits & 0x7fffu) << 13;
  const uint32_t rebiased = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  const uint32_t infinite_or_nan = (bits & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  return std::bit_cast<float>(rebiased | infinite_or_nan | (bits & 0x8000u) << 16);
}

}  // namespace

int DTypeSize(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return 4;
    case DType::kFloat16:
    case DType::kBfloat16:
      return 2;
    case DType::kInt8:
      return 1;
  }
  return 0;
}

absl::string_view DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "F32";
    case DType::kFloat16:
      return "F16";
    case DType::kBfloat16:
      return "BF16";
    case DType::kInt8:
      return "I8";
  }
  return "";
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

std::string Described(const Tensor& tensor) {
  return absl::StrCat(DTypeName(tensor.dtype), " ", ShapeText(tensor.shape));
}

void Tensor::ReadPitchedRow(int64_t row, std::span<float> out) const {
  const size_t element_bytes = static_cast<size_t>(DTypeSize(dtype));
  const size_t pitch_bytes = static_cast<size_t>(column_pitch) * element_bytes;
  const std::byte* source = data.data() + static_cast<size_t>(row) * element_bytes;
  for (float& value : out) {
    switch (dtype) {
      case DType::kFloat32:
        value = ElementAt<float>(source, 0);
        break;
      case DType::kFloat16:
        value = FromFloat16(ElementAt<uint16_t>(source, 0));
        break;
      case DType::kBfloat16:
        value = FromBfloat16(ElementAt<uint16_t>(source, 0));
        break;
      case DType::kInt8:
        assert(false && "int8 matrices have their rows one after the other");
        break;
    }
    source += pitch_bytes;
  }
}

void Tensor::ReadRow(int64_t row, std::span<float> out) const {
  assert(0 <= row && row < rows() && static_cast<int64_t>(out.size()) == columns());
  if (column_pitch != 0) return ReadPitchedRow(row, out);
  const size_t width = out.size();
  const size_t row_index = static_cast<size_t>(row);
  const std::byte* source = data.data() + row_index * width * static_cast<size_t>(DTypeSize(dtype));
  switch (dtype) {
    case DType::kFloat32:
      std::memcpy(out.data(), source, width * sizeof(float));
      return;
    case DType::kFloat16:
      for (size_t i = 0; i < width; ++i) out[i] = FromFloat16(ElementAt<uint16_t>(source, i));
      return;
    case DType::kBfloat16:
      for (size_t i = 0; i < width; ++i) out[i] = FromBfloat16(ElementAt<uint16_t>(source, i));
      return;
    case DType::kInt8: {
      const float scale = ElementAt<float>(scales.data(), row_index);
      for (size_t i = 0; i < width; ++i) {
        out[i] = scale * static_cast<float>(ElementAt<int8_t>(source, i));
      }
      return;
    }
  }
}

}  // namespace strided
