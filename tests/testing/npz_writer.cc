#include "tests/testing/npz_writer.h"

#include <zlib.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace strided {
namespace {

constexpr uint32_t kIn64 = 0xffffffff;

template <typename T>
void Append(T value, std::string& bytes) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes.append(raw, sizeof(T));
}

uint32_t ChecksumOf(absl::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// What the headers of one entry say.
struct Said {
  uint16_t method;
  uint32_t crc32;
  uint64_t packed_size;
  uint64_t size;
  uint64_t offset;
};

// From flags to the length of the name, as both kinds of headers have them.
void AppendCommon(const ZipEntry& entry, const Said& said, size_t name_size, std::string& bytes) {
  Append<uint16_t>(entry.flags, bytes);
  Append<uint16_t>(said.method, bytes);
  Append<uint32_t>(0, bytes);  // time and date
  Append<uint32_t>(said.crc32, bytes);
  Append<uint32_t>(entry.zip64 ? kIn64 : static_cast<uint32_t>(said.packed_size), bytes);
  Append<uint32_t>(entry.zip64 ? kIn64 : static_cast<uint32_t>(said.size), bytes);
  Append<uint16_t>(static_cast<uint16_t>(name_size), bytes);
}

std::string Zip64Field(const ZipEntry& entry, const Said& said) {
  std::string field;
  if (!entry.zip64) return field;
  Append<uint16_t>(0x0001, field);
  Append<uint16_t>(24, field);
  Append<uint64_t>(said.size, field);
  Append<uint64_t>(said.packed_size, field);
  Append<uint64_t>(said.offset, field);
  return field;
}

std::string LocalHeader(const ZipEntry& entry, const Said& said) {
  const std::string name = entry.said_name.value_or(entry.name);
  const std::string extra = Zip64Field(entry, said);
  std::string bytes = "PK\x03\x04";
  Append<uint16_t>(20, bytes);
  AppendCommon(entry, said, name.size(), bytes);
  Append<uint16_t>(static_cast<uint16_t>(extra.size()), bytes);
  return absl::StrCat(bytes, name, extra);
}

std::string DirectoryEntry(const ZipEntry& entry, const Said& said) {
  const std::string extra = Zip64Field(entry, said);
  std::string bytes = "PK\x01\x02";
  Append<uint32_t>(20 << 16 | 20, bytes);  // versions
  AppendCommon(entry, said, entry.name.size(), bytes);
  Append<uint16_t>(static_cast<uint16_t>(extra.size()), bytes);
  bytes.append(10, '\0');  // comment, disk, attributes
  Append<uint32_t>(entry.zip64 ? kIn64 : static_cast<uint32_t>(said.offset), bytes);
  return absl::StrCat(bytes, entry.name, extra);
}

std::string EndRecord64(uint64_t entries, uint64_t size, uint64_t offset) {
  std::string bytes = "PK\x06\x06";
  Append<uint64_t>(44, bytes);
  bytes.append(12, '\0');
  Append<uint64_t>(entries, bytes);
  Append<uint64_t>(entries, bytes);
  Append<uint64_t>(size, bytes);
  Append<uint64_t>(offset, bytes);
  absl::StrAppend(&bytes, "PK\x06\x07");
  Append<uint32_t>(0, bytes);
  Append<uint64_t>(offset + size, bytes);
  Append<uint32_t>(1, bytes);
  return bytes;
}

}  // namespace

std::string Deflated(absl::string_view contents) {
  z_stream stream = {};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, static_cast<uLong>(contents.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(contents.data()));
  stream.avail_in = static_cast<uInt>(contents.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string ZipFile(std::span<const ZipEntry> entries, bool zip64) {
  std::string data;
  std::string directory;
  for (const ZipEntry& entry : entries) {
    const std::string packed =
        entry.packed.value_or(entry.deflated ? Deflated(entry.contents) : entry.contents);
    const Said said = {
        .method = entry.said_method.value_or(static_cast<uint16_t>(entry.deflated ? 8 : 0)),
        .crc32 = entry.said_crc32.value_or(ChecksumOf(entry.contents)),
        .packed_size = entry.said_packed_size.value_or(packed.size()),
        .size = entry.said_size.value_or(entry.contents.size()),
        .offset = entry.said_offset.value_or(data.size())};
    absl::StrAppend(&data, LocalHeader(entry, said), packed);
    directory += DirectoryEntry(entry, said);
  }
  std::string end = zip64 ? EndRecord64(entries.size(), directory.size(), data.size()) : "";
  end += "PK\x05\x06";
  end.append(4, '\0');
  for (int i = 0; i < 2; ++i) {
    Append<uint16_t>(zip64 ? uint16_t{0xffff} : static_cast<uint16_t>(entries.size()), end);
  }
  Append<uint32_t>(zip64 ? kIn64 : static_cast<uint32_t>(directory.size()), end);
  Append<uint32_t>(zip64 ? kIn64 : static_cast<uint32_t>(data.size()), end);
  Append<uint16_t>(0, end);
  return absl::StrCat(data, directory, end);
}

std::string NpyFile(absl::string_view dict, absl::string_view data, int major) {
  std::string file = "\x93NUMPY";
  file += static_cast<char>(major);
  file += '\0';
  if (major == 1) {
    Append<uint16_t>(static_cast<uint16_t>(dict.size()), file);
  } else {
    Append<uint32_t>(static_cast<uint32_t>(dict.size()), file);
  }
  return absl::StrCat(file, dict, data);
}

std::string NpyDict(absl::string_view descr, absl::string_view shape, bool fortran_order) {
  return absl::StrCat("{'descr': '", descr,
                      "', 'fortran_order': ", fortran_order ? "True" : "False",
                      ", 'shape': ", shape, ", }          \n");
}

std::string NpyFloats(const std::vector<int64_t>& shape, std::span<const float> values) {
  std::string data;
  for (const float value : values) Append(value, data);
  return NpyFile(NpyDict("<f4", absl::StrCat("(", absl::StrJoin(shape, ", "), ",)")), data);
}

}  // namespace strided
