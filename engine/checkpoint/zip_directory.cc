#include "engine/checkpoint/zip_directory.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/checkpoint/zip_fields.h"

namespace strided {
namespace {

using Bytes = std::span<const std::byte>;

constexpr uint32_t kEntrySignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kLocatorSignature = 0x07064b50;
constexpr int64_t kEntryBytes = 46;
constexpr int64_t kEndBytes = 22;
constexpr int64_t kEnd64Bytes = 56;
constexpr int64_t kLocatorBytes = 20;
constexpr int64_t kMaxNameBytes = 256;

// A field that holds this has its value in a zip64 record instead.
constexpr uint32_t kIn64 = 0xffffffff;
constexpr uint16_t kCountIn64 = 0xffff;
constexpr uint16_t kZip64Extra = 0x0001;

int64_t SizeOf(Bytes bytes) { return static_cast<int64_t>(bytes.size()); }

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// Where the central directory lies, as its end record says.
struct DirectoryPlace {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t entries = 0;
  int64_t end_record = 0;  // where the directory has to end
};

// The zip64 end record, whose locator ends at `locator_end`.
absl::StatusOr<DirectoryPlace> FindZip64(Bytes file, int64_t locator_end) {
  const int64_t locator = locator_end - kLocatorBytes;
  const int64_t record = locator - kEnd64Bytes;
  if (record < 0 || ZipField<uint32_t>(file, locator) != kLocatorSignature ||
      ZipField<uint64_t>(file, locator + 8) != static_cast<uint64_t>(record) ||
      ZipField<uint32_t>(file, record) != kEnd64Signature) {
    return Invalid("has a zip end record that refers to a zip64 record; expected one before it");
  }
  return DirectoryPlace{.offset = ZipField<uint64_t>(file, record + 48),
                        .size = ZipField<uint64_t>(file, record + 40),
                        .entries = ZipField<uint64_t>(file, record + 32),
                        .end_record = record};
}

absl::StatusOr<DirectoryPlace> FindDirectory(Bytes file) {
  const int64_t end = SizeOf(file) - kEndBytes;
  if (end < 0 || ZipField<uint32_t>(file, end) != kEndSignature) {
    return Invalid("does not end with a zip directory; expected a whole .npz file");
  }
  DirectoryPlace place = {.offset = ZipField<uint32_t>(file, end + 16),
                          .size = ZipField<uint32_t>(file, end + 12),
                          .entries = ZipField<uint16_t>(file, end + 10),
                          .end_record = end};
  if (place.entries == kCountIn64 || place.size == kIn64 || place.offset == kIn64) {
    ASSIGN_OR_RETURN(place, FindZip64(file, end));
  }
  return place;
}

absl::StatusOr<Bytes> DirectoryOf(Bytes file, const DirectoryPlace& place) {
  const std::optional<Bytes> directory = ZipPart(file, place.offset, place.size);
  if (!directory.has_value() ||
      place.offset + place.size != static_cast<uint64_t>(place.end_record)) {
    return Invalid("has a zip directory of ", place.size, " bytes at ", place.offset,
                   "; expected it to end at ", place.end_record, ", where its end record begins");
  }
  return *directory;
}

// The zip64 field among an entry's extra ones; empty where there is none.
Bytes Zip64FieldOf(Bytes extra) {
  while (extra.size() >= 4) {
    const uint16_t size = ZipField<uint16_t>(extra, 2);
    const std::optional<Bytes> field = ZipPart(extra, 4, size);
    if (!field.has_value()) return {};
    if (ZipField<uint16_t>(extra, 0) == kZip64Extra) return *field;
    extra = extra.subspan(size_t{4} + size);
  }
  return {};
}

absl::Status Widen(Bytes extra, ZipDirectoryEntry& entry) {
  Bytes field = Zip64FieldOf(extra);
  for (uint64_t* value : {&entry.unpacked_size, &entry.packed_size, &entry.header_offset}) {
    if (*value != kIn64) continue;
    if (field.size() < sizeof(uint64_t)) {
      return Invalid(entry.name, " has no zip64 field; expected one for its sizes");
    }
    *value = ZipField<uint64_t>(field, 0);
    field = field.subspan(sizeof(uint64_t));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> NameOf(Bytes bytes) {
  std::string name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (name.empty() || SizeOf(bytes) > kMaxNameBytes ||
      std::any_of(name.begin(), name.end(), [](char c) { return c < ' ' || c > '~'; })) {
    return Invalid("has a member named \"", absl::CHexEscape(name.substr(0, kMaxNameBytes)),
                   "\"; expected 1 to ", kMaxNameBytes, " bytes of printable ASCII");
  }
  return name;
}

// Takes the first entry off `directory`.
absl::StatusOr<ZipDirectoryEntry> TakeEntry(Bytes& directory) {
  if (SizeOf(directory) < kEntryBytes || ZipField<uint32_t>(directory, 0) != kEntrySignature) {
    return Invalid("has a zip directory that breaks off, ", directory.size(),
                   " bytes before its end; expected an entry");
  }
  const uint64_t name_size = ZipField<uint16_t>(directory, 28);
  const uint64_t extra_size = ZipField<uint16_t>(directory, 30);
  const uint64_t size = kEntryBytes + name_size + extra_size + ZipField<uint16_t>(directory, 32);
  if (size > directory.size()) {
    return Invalid("has a zip directory entry of ", size, " bytes; expected at most the ",
                   directory.size(), " that are left");
  }
  ZipDirectoryEntry entry;
  ASSIGN_OR_RETURN(entry.name, NameOf(*ZipPart(directory, kEntryBytes, name_size)));
  entry.flags = ZipField<uint16_t>(directory, 8);
  entry.method = ZipField<uint16_t>(directory, 10);
  entry.crc32 = ZipField<uint32_t>(directory, 16);
  entry.packed_size = ZipField<uint32_t>(directory, 20);
  entry.unpacked_size = ZipField<uint32_t>(directory, 24);
  entry.header_offset = ZipField<uint32_t>(directory, 42);
  RETURN_IF_ERROR(Widen(*ZipPart(directory, kEntryBytes + name_size, extra_size), entry));
  directory = directory.subspan(size);
  return entry;
}

}  // namespace

absl::StatusOr<ZipDirectory> ReadZipDirectory(std::span<const std::byte> file) {
  ASSIGN_OR_RETURN(const DirectoryPlace place, FindDirectory(file));
  ASSIGN_OR_RETURN(Bytes left, DirectoryOf(file, place));
  ZipDirectory directory = {.offset = place.offset, .entries = {}};
  while (!left.empty()) {
    ASSIGN_OR_RETURN(ZipDirectoryEntry entry, TakeEntry(left));
    directory.entries.push_back(std::move(entry));
  }
  if (directory.entries.size() != place.entries) {
    return Invalid("has ", directory.entries.size(), " entries in its zip directory; expected ",
                   place.entries);
  }
  return directory;
}

}  // namespace strided
