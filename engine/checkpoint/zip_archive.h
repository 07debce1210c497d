// The zip container, as far as NumPy writes it (.npz): stored and deflated members, zip64.
// PKWARE APPNOTE 6.3, sections 4.3 to 4.5.

#ifndef STRIDED_ENGINE_CHECKPOINT_ZIP_ARCHIVE_H_
#define STRIDED_ENGINE_CHECKPOINT_ZIP_ARCHIVE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace strided {

// Bytes that all members of an archive may unpack to, together; published checkpoints are below
// 4 GiB.
inline constexpr int64_t kMaxUnpackedBytes = int64_t{1} << 36;

// DEFLATE packs no more than this many bytes into one (RFC 1951: a match of 258 bytes in two bits).
inline constexpr int64_t kMaxDeflateRatio = 1032;

struct ZipMember {
  std::string name;                   // as stored, e.g. "model/we:0.npy"
  bool deflated = false;              // else its bytes lie as they are
  uint32_t crc32 = 0;                 // of the unpacked bytes, as declared
  int64_t size = 0;                   // unpacked bytes, as declared
  std::span<const std::byte> packed;  // within the file
};

// The members of a whole archive, in the order of its central directory. They point into `file`;
// nothing is unpacked yet. InvalidArgument, with the member, what was found and what was expected,
// unless
// - the file ends with the end record of one central directory that fills the space before it;
// - names are valid, of 1 to 256 bytes, each there once;
// - a member is stored or deflated, not encrypted, and its local header says the same;
// - members lie one after the other before the directory, and none overlaps another;
// - declared sizes are possible: a stored member's two sizes are equal, a deflated one's ratio is
// at
//   most kMaxDeflateRatio, their sum is at most kMaxUnpackedBytes.
// The text of an error starts with a predicate or a member, so that the caller puts the file's name
// before it.
absl::StatusOr<std::vector<ZipMember>> ParseZip(std::span<const std::byte> file);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_ZIP_ARCHIVE_H_
