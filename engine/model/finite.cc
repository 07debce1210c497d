#include "engine/model/finite.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace strided {
namespace {

constexpr size_t kBlock = 4096;  // elements

// A value is a NaN or an infinity exactly if all bits of its exponent are set. A block is searched
// without branches, so that it vectorises, and once more only if it holds such a value.
template <typename Word, Word kExponent>
std::optional<int64_t> FirstWithFullExponent(std::span<const std::byte> data) {
  const size_t count = data.size() / sizeof(Word);
  const auto is_full = [&](size_t index) {
    Word word;
    std::memcpy(&word, data.data() + index * sizeof(Word), sizeof(Word));
    return static_cast<Word>(word & kExponent) == kExponent;
  };
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t end = std::min(begin + kBlock, count);
    Word any = 0;
    for (size_t i = begin; i < end; ++i) any = static_cast<Word>(any | Word{is_full(i)});
    if (any == 0) continue;
    for (size_t i = begin; i < end; ++i) {
      if (is_full(i)) return static_cast<int64_t>(i);
    }
  }
  return std::nullopt;
}

std::optional<int64_t> FirstIn(DType dtype, std::span<const std::byte> data) {
  switch (dtype) {
    case DType::kFloat32:
      return FirstWithFullExponent<uint32_t, 0x7f800000>(data);
    case DType::kFloat16:
      return FirstWithFullExponent<uint16_t, 0x7c00>(data);
    case DType::kBfloat16:
      return FirstWithFullExponent<uint16_t, 0x7f80>(data);
    case DType::kInt8:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::optional<int64_t> FirstNonFinite(const Tensor& tensor) {
  if (tensor.column_pitch == 0) return FirstIn(tensor.dtype, tensor.data);
  const auto element_bytes = static_cast<size_t>(DTypeSize(tensor.dtype));
  const size_t column_bytes = static_cast<size_t>(tensor.rows()) * element_bytes;
  const size_t pitch_bytes = static_cast<size_t>(tensor.column_pitch) * element_bytes;
  for (int64_t column = 0; column < tensor.columns(); ++column) {
    const auto begin = static_cast<size_t>(column) * pitch_bytes;
    const std::optional<int64_t> row =
        FirstIn(tensor.dtype, tensor.data.subspan(begin, column_bytes));
    if (row.has_value()) return *row * tensor.columns() + column;
  }
  return std::nullopt;
}

}  // namespace strided
