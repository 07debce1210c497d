#include "engine/checkpoint/npz_file.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "engine/base/status_macros.h"
#include "engine/checkpoint/zip_reader.h"
#include "engine/model/finite.h"

namespace strided {
namespace {

constexpr size_t kChunkElements = 16384;  // unpacked and widened at a time

absl::StatusOr<NpyHeader> ReadHeader(const ZipMember& member, ZipReader& reader) {
  std::array<std::byte, kNpyStartBytes> start;
  RETURN_IF_ERROR(reader.Read(start));
  ASSIGN_OR_RETURN(const NpyHeaderPlace place, FindNpyHeader(start));
  // Version 1 has up to two bytes of its text among those that have been read.
  const int64_t known = kNpyStartBytes - place.begin;
  std::string text(static_cast<size_t>(std::max(place.size, known)), '\0');
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(text));
  std::copy(start.end() - known, start.end(), bytes.begin());
  RETURN_IF_ERROR(reader.Read(bytes.subspan(static_cast<size_t>(known))));
  text.resize(static_cast<size_t>(place.size));
  ASSIGN_OR_RETURN(NpyHeader header, ParseNpyHeader(text));
  const int64_t expected = place.begin + place.size + header.elements * DTypeSize(header.dtype);
  if (member.size != expected) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has ", member.size, " bytes; expected ", expected, " for ", DTypeName(header.dtype), " [",
        absl::StrJoin(header.shape, ", "), "] and its header"));
  }
  return header;
}

absl::StatusOr<std::vector<float>> ReadElements(const NpyHeader& header, ZipReader& reader) {
  const size_t elements = static_cast<size_t>(header.elements);
  const size_t width = static_cast<size_t>(DTypeSize(header.dtype));
  std::vector<float> values(elements);
  std::vector<std::byte> buffer(std::min(elements, kChunkElements) * width);
  for (size_t begin = 0; begin < elements; begin += kChunkElements) {
    const size_t count = std::min(kChunkElements, elements - begin);
    const std::span<std::byte> bytes = std::span(buffer).first(count * width);
    RETURN_IF_ERROR(reader.Read(bytes));
    const Tensor chunk = {.name = "",
                          .dtype = header.dtype,
                          .shape = {static_cast<int64_t>(count)},
                          .data = bytes,
                          .scales = {}};
    if (const std::optional<int64_t> index = FirstNonFinite(chunk); index.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "is not finite at element ", static_cast<int64_t>(begin) + *index, "; expected numbers"));
    }
    chunk.ReadRow(0, std::span(values).subspan(begin, count));
  }
  RETURN_IF_ERROR(reader.Finish());
  return values;
}

// `values` of a row-major matrix of `rows`, column by column.
std::vector<float> Transposed(const std::vector<float>& values, size_t rows) {
  const size_t columns = values.size() / rows;
  std::vector<float> result(values.size());
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      result[column * rows + row] = values[row * columns + column];
    }
  }
  return result;
}

// The shape without the dimensions that are 1, which have no part in the order of elements.
std::vector<int64_t> Squeezed(std::vector<int64_t> shape) {
  std::erase(shape, 1);
  return shape;
}

}  // namespace

absl::StatusOr<NpzFile> NpzFile::Parse(std::span<const std::byte> bytes, std::string name) {
  absl::StatusOr<std::vector<ZipMember>> members = ParseZip(bytes);
  if (!members.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", members.status().message()));
  }
  std::map<std::string, ZipMember, std::less<>> by_name;
  for (ZipMember& member : *members) {
    const std::string key(absl::StripSuffix(member.name, ".npy"));
    const auto [place, inserted] = by_name.emplace(key, std::move(member));
    if (!inserted) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": ", key, " is there twice; expected it once"));
    }
  }
  return NpzFile(std::move(name), std::move(by_name));
}

absl::StatusOr<NpzFile> NpzFile::Open(const std::string& path) {
  ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  ASSIGN_OR_RETURN(NpzFile file, Parse(mapped.bytes(), path));
  file.file_ = std::move(mapped);
  return file;
}

std::vector<std::string> NpzFile::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, member] : members_) names.push_back(name);
  return names;
}

absl::StatusOr<const ZipMember*> NpzFile::Find(absl::string_view name) const {
  const auto found = members_.find(name);
  if (found == members_.end()) {
    return absl::NotFoundError(absl::StrCat(path_, ": ", name, " is missing"));
  }
  return &found->second;
}

absl::Status NpzFile::About(absl::string_view name, const absl::Status& status) const {
  return absl::Status(status.code(), absl::StrCat(path_, ": ", name, " ", status.message()));
}

absl::StatusOr<NpyHeader> NpzFile::Header(absl::string_view name) const {
  ASSIGN_OR_RETURN(const ZipMember* member, Find(name));
  ZipReader reader(*member);
  absl::StatusOr<NpyHeader> header = ReadHeader(*member, reader);
  if (!header.ok()) return About(name, header.status());
  return header;
}

absl::StatusOr<std::vector<float>> NpzFile::Read(absl::string_view name, ElementOrder order) const {
  ASSIGN_OR_RETURN(const ZipMember* member, Find(name));
  ZipReader reader(*member);
  const absl::StatusOr<NpyHeader> header = ReadHeader(*member, reader);
  if (!header.ok()) return About(name, header.status());
  absl::StatusOr<std::vector<float>> values = ReadElements(*header, reader);
  if (!values.ok()) return About(name, values.status());
  const std::vector<int64_t> shape = Squeezed(header->shape);
  const bool wanted = header->fortran_order == (order == ElementOrder::kColumnMajor);
  if (wanted || shape.size() != 2) return values;
  // What lies column by column is, row by row, the matrix with its sides exchanged.
  return Transposed(*values, static_cast<size_t>(header->fortran_order ? shape[1] : shape[0]));
}

}  // namespace strided
