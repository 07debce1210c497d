// Zip archives and arrays of NumPy as tests need them: right, and wrong in one place.

#ifndef STRIDED_TESTS_TESTING_NPZ_WRITER_H_
#define STRIDED_TESTS_TESTING_NPZ_WRITER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace strided {

// A member of an archive; what is "said" stands in its headers instead of the truth.
struct ZipEntry {
  std::string name = {};
  std::string contents = {};
  bool deflated = false;
  bool zip64 = false;  // its sizes and place are in a zip64 field
  uint16_t flags = 0;
  std::optional<std::string> packed = std::nullopt;  // instead of the packed contents
  std::optional<uint16_t> said_method = std::nullopt;
  std::optional<uint32_t> said_crc32 = std::nullopt;
  std::optional<uint64_t> said_packed_size = std::nullopt;
  std::optional<uint64_t> said_size = std::nullopt;
  std::optional<uint64_t> said_offset = std::nullopt;   // of its local header
  std::optional<std::string> said_name = std::nullopt;  // in its local header
};

// A whole archive. With `zip64`, the end record refers to a zip64 one.
std::string ZipFile(std::span<const ZipEntry> entries, bool zip64 = false);

// Raw DEFLATE data of `contents`.
std::string Deflated(absl::string_view contents);

// A .npy file of version `major`.0 whose header is `dict`, with `data` behind it.
std::string NpyFile(absl::string_view dict, absl::string_view data, int major = 1);

// The dict of a header, e.g. NpyDict("<f4", "(2, 3)").
std::string NpyDict(absl::string_view descr, absl::string_view shape, bool fortran_order = false);

// A .npy file of float32 `values` in C order.
std::string NpyFloats(const std::vector<int64_t>& shape, std::span<const float> values);

}  // namespace strided

#endif  // STRIDED_TESTS_TESTING_NPZ_WRITER_H_
