// Fields of the records of a zip archive.

#ifndef STRIDED_ENGINE_CHECKPOINT_ZIP_FIELDS_H_
#define STRIDED_ENGINE_CHECKPOINT_ZIP_FIELDS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace strided {

// Zip is little-endian, and fields are copied as they lie.
static_assert(std::endian::native == std::endian::little);

// The field of type T at `offset`. Requires that it lies within `bytes`.
template <typename T>
T ZipField(std::span<const std::byte> bytes, int64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// The `size` bytes from `offset`; none where they do not lie within `bytes`.
inline std::optional<std::span<const std::byte>> ZipPart(std::span<const std::byte> bytes,
                                                         uint64_t offset, uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(static_cast<size_t>(offset), static_cast<size_t>(size));
}

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_ZIP_FIELDS_H_
