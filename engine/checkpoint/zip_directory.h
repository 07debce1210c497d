// The central directory of a zip archive, at the end of its file.
// PKWARE APPNOTE 6.3, sections 4.3.12 to 4.3.16 and 4.5.3.

#ifndef STRIDED_ENGINE_CHECKPOINT_ZIP_DIRECTORY_H_
#define STRIDED_ENGINE_CHECKPOINT_ZIP_DIRECTORY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace strided {

// What an entry claims, with the values of a zip64 field put in their places; nothing is checked
// but that it is whole and its name can be printed.
struct ZipDirectoryEntry {
  std::string name;  // 1 to 256 bytes of printable ASCII
  uint16_t flags = 0;
  uint16_t method = 0;         // 0 stored, 8 deflated
  uint32_t crc32 = 0;          // of the unpacked bytes
  uint64_t packed_size = 0;    // bytes
  uint64_t unpacked_size = 0;  // bytes
  uint64_t header_offset = 0;  // of the local header, from the file's start
};

struct ZipDirectory {
  uint64_t offset = 0;  // where it begins, and members have to end
  std::vector<ZipDirectoryEntry> entries;
};

// InvalidArgument, with what was found and what was expected, unless the file ends with the end
// record of a directory that fills the space before it with as many entries as it says. The text of
// an error starts with a predicate or an entry's name.
absl::StatusOr<ZipDirectory> ReadZipDirectory(std::span<const std::byte> file);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_ZIP_DIRECTORY_H_
