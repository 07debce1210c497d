#include "engine/checkpoint/zip_archive.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

// Zip is little-endian, and fields are copied as they lie.
static_assert(std::endian::native == std::endian::little);

using Bytes = std::span<const std::byte>;

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kEntrySignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kLocatorSignature = 0x07064b50;
constexpr int64_t kLocalBytes = 30;
constexpr int64_t kEntryBytes = 46;
constexpr int64_t kEndBytes = 22;
constexpr int64_t kEnd64Bytes = 56;
constexpr int64_t kLocatorBytes = 20;
constexpr int64_t kMaxNameBytes = 256;

// A field that holds this has its value in a zip64 record instead.
constexpr uint32_t kIn64 = 0xffffffff;
constexpr uint16_t kCountIn64 = 0xffff;
constexpr uint16_t kZip64Extra = 0x0001;

constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;
// Bits that say how hard the packer tried, where sizes are repeated, and that names are UTF-8; all
// others (encryption, patches) change what the bytes mean.
constexpr uint16_t kHarmlessFlags = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 11;

template <typename T>
T FieldAt(Bytes bytes, int64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

int64_t SizeOf(Bytes bytes) { return static_cast<int64_t>(bytes.size()); }

// The `size` bytes from `offset`; none where they do not lie within `bytes`.
std::optional<Bytes> Part(Bytes bytes, uint64_t offset, uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(static_cast<size_t>(offset), static_cast<size_t>(size));
}

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
  if (record < 0 || FieldAt<uint32_t>(file, locator) != kLocatorSignature ||
      FieldAt<uint64_t>(file, locator + 8) != static_cast<uint64_t>(record) ||
      FieldAt<uint32_t>(file, record) != kEnd64Signature) {
    return Invalid("has a zip end record that refers to a zip64 record; expected one before it");
  }
  return DirectoryPlace{.offset = FieldAt<uint64_t>(file, record + 48),
                        .size = FieldAt<uint64_t>(file, record + 40),
                        .entries = FieldAt<uint64_t>(file, record + 32),
                        .end_record = record};
}

absl::StatusOr<DirectoryPlace> FindDirectory(Bytes file) {
  const int64_t end = SizeOf(file) - kEndBytes;
  if (end < 0 || FieldAt<uint32_t>(file, end) != kEndSignature) {
    return Invalid("does not end with a zip directory; expected a whole .npz file");
  }
  DirectoryPlace place = {.offset = FieldAt<uint32_t>(file, end + 16),
                          .size = FieldAt<uint32_t>(file, end + 12),
                          .entries = FieldAt<uint16_t>(file, end + 10),
                          .end_record = end};
  if (place.entries == kCountIn64 || place.size == kIn64 || place.offset == kIn64) {
    ASSIGN_OR_RETURN(place, FindZip64(file, end));
  }
  return place;
}

absl::StatusOr<Bytes> DirectoryOf(Bytes file, const DirectoryPlace& place) {
  const std::optional<Bytes> directory = Part(file, place.offset, place.size);
  if (!directory.has_value() ||
      place.offset + place.size != static_cast<uint64_t>(place.end_record)) {
    return Invalid("has a zip directory of ", place.size, " bytes at ", place.offset,
                   "; expected it to end at ", place.end_record, ", where its end record begins");
  }
  return *directory;
}

// One entry of the central directory, with the sizes of a zip64 field put in their places.
struct Entry {
  ZipMember member;
  uint16_t flags = 0;
  uint16_t method = 0;
  uint64_t packed_size = 0;
  uint64_t unpacked_size = 0;
  uint64_t header_offset = 0;  // of the local header
};

// The zip64 field among an entry's extra ones; empty where there is none.
Bytes Zip64FieldOf(Bytes extra) {
  while (extra.size() >= 4) {
    const uint16_t size = FieldAt<uint16_t>(extra, 2);
    const std::optional<Bytes> field = Part(extra, 4, size);
    if (!field.has_value()) return {};
    if (FieldAt<uint16_t>(extra, 0) == kZip64Extra) return *field;
    extra = extra.subspan(size_t{4} + size);
  }
  return {};
}

absl::Status Widen(Bytes extra, Entry& entry) {
  Bytes field = Zip64FieldOf(extra);
  for (uint64_t* value : {&entry.unpacked_size, &entry.packed_size, &entry.header_offset}) {
    if (*value != kIn64) continue;
    if (field.size() < sizeof(uint64_t)) {
      return Invalid(entry.member.name, " has no zip64 field; expected one for its sizes");
    }
    *value = FieldAt<uint64_t>(field, 0);
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
absl::StatusOr<Entry> TakeEntry(Bytes& directory) {
  if (SizeOf(directory) < kEntryBytes || FieldAt<uint32_t>(directory, 0) != kEntrySignature) {
    return Invalid("has a zip directory that breaks off, ", directory.size(),
                   " bytes before its end; expected an entry");
  }
  const uint64_t name_size = FieldAt<uint16_t>(directory, 28);
  const uint64_t extra_size = FieldAt<uint16_t>(directory, 30);
  const uint64_t size = kEntryBytes + name_size + extra_size + FieldAt<uint16_t>(directory, 32);
  if (size > directory.size()) {
    return Invalid("has a zip directory entry of ", size, " bytes; expected at most the ",
                   directory.size(), " that are left");
  }
  Entry entry;
  ASSIGN_OR_RETURN(entry.member.name, NameOf(*Part(directory, kEntryBytes, name_size)));
  entry.flags = FieldAt<uint16_t>(directory, 8);
  entry.method = FieldAt<uint16_t>(directory, 10);
  entry.member.crc32 = FieldAt<uint32_t>(directory, 16);
  entry.packed_size = FieldAt<uint32_t>(directory, 20);
  entry.unpacked_size = FieldAt<uint32_t>(directory, 24);
  entry.header_offset = FieldAt<uint32_t>(directory, 42);
  RETURN_IF_ERROR(Widen(*Part(directory, kEntryBytes + name_size, extra_size), entry));
  directory = directory.subspan(size);
  return entry;
}

absl::Status CheckEntry(const Entry& entry) {
  const std::string& name = entry.member.name;
  if ((entry.flags & ~kHarmlessFlags) != 0) {
    return Invalid(name, " has zip flags ", absl::Hex(entry.flags, absl::kZeroPad4),
                   "; expected a member that is not encrypted");
  }
  if (entry.method != kStored && entry.method != kDeflated) {
    return Invalid(name, " is packed by method ", entry.method,
                   "; expected 0 (stored) or 8 (deflated)");
  }
  const uint64_t ratio = entry.method == kStored ? 1 : kMaxDeflateRatio;
  const uint64_t most = std::min<uint64_t>(entry.packed_size, kMaxUnpackedBytes) * ratio;
  const bool stored_differs = entry.method == kStored && entry.unpacked_size != entry.packed_size;
  if (entry.unpacked_size > most || stored_differs) {
    return Invalid(name, " claims to unpack from ", entry.packed_size, " to ", entry.unpacked_size,
                   " bytes; expected ", entry.method == kStored ? "" : "at most ", most);
  }
  return absl::OkStatus();
}

// The entry's packed bytes, behind its local header; `data` is all that lies before the directory.
absl::StatusOr<Bytes> PackedBytes(Bytes data, const Entry& entry) {
  const std::string& name = entry.member.name;
  const std::optional<Bytes> header = Part(data, entry.header_offset, kLocalBytes);
  if (!header.has_value() || FieldAt<uint32_t>(*header, 0) != kLocalSignature) {
    return Invalid(name, " has no zip header at ", entry.header_offset,
                   ", where the directory expects it");
  }
  const uint64_t name_size = FieldAt<uint16_t>(*header, 26);
  const uint64_t begin =
      entry.header_offset + kLocalBytes + name_size + FieldAt<uint16_t>(*header, 28);
  const std::optional<Bytes> local_name = Part(data, entry.header_offset + kLocalBytes, name_size);
  if (!local_name.has_value() || name_size != name.size() ||
      std::memcmp(local_name->data(), name.data(), name.size()) != 0 ||
      FieldAt<uint16_t>(*header, 8) != entry.method) {
    return Invalid(name, " has a zip header with another name or method; expected those of the ",
                   "directory");
  }
  const std::optional<Bytes> packed = Part(data, begin, entry.packed_size);
  if (!packed.has_value()) {
    return Invalid(name, " has ", entry.packed_size, " bytes from ", begin,
                   "; expected it to end before the zip directory at ", data.size());
  }
  return *packed;
}

// What a member takes of the file, header and bytes.
struct Extent {
  uint64_t begin = 0;
  uint64_t end = 0;
  size_t member = 0;
};

absl::Status CheckNoneOverlap(std::vector<Extent> extents, const std::vector<ZipMember>& members) {
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < extents.size(); ++i) {
    if (extents[i].begin >= extents[i - 1].end) continue;
    return Invalid(members[extents[i].member].name, " begins at ", extents[i].begin,
                   "; expected it behind ", members[extents[i - 1].member].name, ", which ends at ",
                   extents[i - 1].end);
  }
  return absl::OkStatus();
}

absl::Status CheckTogether(const std::vector<ZipMember>& members) {
  std::set<absl::string_view> names;
  int64_t total = 0;
  for (const ZipMember& member : members) {
    if (!names.insert(member.name).second) {
      return Invalid(member.name, " is there twice; expected each member once");
    }
    if (member.size > kMaxUnpackedBytes - total) {
      return Invalid(member.name, " brings the unpacked size above ", kMaxUnpackedBytes,
                     " bytes; expected at most that");
    }
    total += member.size;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ZipMember>> ParseZip(std::span<const std::byte> file) {
  ASSIGN_OR_RETURN(const DirectoryPlace place, FindDirectory(file));
  ASSIGN_OR_RETURN(Bytes directory, DirectoryOf(file, place));
  const Bytes data = file.first(static_cast<size_t>(place.offset));
  std::vector<ZipMember> members;
  std::vector<Extent> extents;
  while (!directory.empty()) {
    ASSIGN_OR_RETURN(Entry entry, TakeEntry(directory));
    RETURN_IF_ERROR(CheckEntry(entry));
    ASSIGN_OR_RETURN(entry.member.packed, PackedBytes(data, entry));
    entry.member.deflated = entry.method == kDeflated;
    entry.member.size = static_cast<int64_t>(entry.unpacked_size);
    const auto end =
        static_cast<uint64_t>(entry.member.packed.data() - data.data()) + entry.packed_size;
    extents.push_back({.begin = entry.header_offset, .end = end, .member = members.size()});
    members.push_back(std::move(entry.member));
  }
  if (members.size() != place.entries) {
    return Invalid("has ", members.size(), " entries in its zip directory; expected ",
                   place.entries);
  }
  RETURN_IF_ERROR(CheckTogether(members));
  RETURN_IF_ERROR(CheckNoneOverlap(std::move(extents), members));
  return members;
}

}  // namespace strided
