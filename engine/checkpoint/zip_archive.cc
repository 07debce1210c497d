#include "engine/checkpoint/zip_archive.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/checkpoint/zip_directory.h"
#include "engine/checkpoint/zip_fields.h"

namespace strided {
namespace {

using Bytes = std::span<const std::byte>;

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr int64_t kLocalBytes = 30;

constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;
// Bits that say how hard the packer tried, where sizes are repeated, and that names are UTF-8; all
// others (encryption, patches) change what the bytes mean.
constexpr uint16_t kHarmlessFlags = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 11;

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

absl::Status CheckEntry(const ZipDirectoryEntry& entry) {
  const std::string& name = entry.name;
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
absl::StatusOr<Bytes> PackedBytes(Bytes data, const ZipDirectoryEntry& entry) {
  const std::string& name = entry.name;
  const std::optional<Bytes> header = ZipPart(data, entry.header_offset, kLocalBytes);
  if (!header.has_value() || ZipField<uint32_t>(*header, 0) != kLocalSignature) {
    return Invalid(name, " has no zip header at ", entry.header_offset,
                   ", where the directory expects it");
  }
  const uint64_t name_size = ZipField<uint16_t>(*header, 26);
  const uint64_t begin =
      entry.header_offset + kLocalBytes + name_size + ZipField<uint16_t>(*header, 28);
  const std::optional<Bytes> local_name =
      ZipPart(data, entry.header_offset + kLocalBytes, name_size);
  if (!local_name.has_value() || name_size != name.size() ||
      std::memcmp(local_name->data(), name.data(), name.size()) != 0 ||
      ZipField<uint16_t>(*header, 8) != entry.method) {
    return Invalid(name, " has a zip header with another name or method; expected those of the ",
                   "directory");
  }
  const std::optional<Bytes> packed = ZipPart(data, begin, entry.packed_size);
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
  ASSIGN_OR_RETURN(const ZipDirectory directory, ReadZipDirectory(file));
  const Bytes data = file.first(static_cast<size_t>(directory.offset));
  std::vector<ZipMember> members;
  std::vector<Extent> extents;
  for (const ZipDirectoryEntry& entry : directory.entries) {
    RETURN_IF_ERROR(CheckEntry(entry));
    ASSIGN_OR_RETURN(const Bytes packed, PackedBytes(data, entry));
    const auto end = static_cast<uint64_t>(packed.data() - data.data()) + entry.packed_size;
    extents.push_back({.begin = entry.header_offset, .end = end, .member = members.size()});
    members.push_back({.name = entry.name,
                       .deflated = entry.method == kDeflated,
                       .crc32 = entry.crc32,
                       .size = static_cast<int64_t>(entry.unpacked_size),
                       .packed = packed});
  }
  RETURN_IF_ERROR(CheckTogether(members));
  RETURN_IF_ERROR(CheckNoneOverlap(std::move(extents), members));
  return members;
}

}  // namespace strided
