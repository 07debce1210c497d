// Unpacks a member of a zip archive, piece by piece.

#ifndef STRIDED_ENGINE_CHECKPOINT_ZIP_READER_H_
#define STRIDED_ENGINE_CHECKPOINT_ZIP_READER_H_

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "engine/checkpoint/zip_archive.h"

namespace strided {

// Reads from front to back, whatever the member claims: never more than its declared size. Holds
// zlib's window (about 40 KiB) for a deflated member. Not thread-safe; stays where it is made,
// since zlib points into it.
class ZipReader {
 public:
  // `member` and the file that it points into outlive this.
  explicit ZipReader(const ZipMember& member);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  // Fills `out` with the next bytes. InvalidArgument where the member has fewer left, or is not
  // DEFLATE data. Error texts here are predicates ("breaks off ...").
  absl::Status Read(std::span<std::byte> out);

  // InvalidArgument unless all of the member's declared size has been read, nothing follows, and
  // the checksum of what was read is the declared one.
  absl::Status Finish();

 private:
  absl::Status Inflate(std::span<std::byte> out);
  // One call of zlib with room for `out`, which is not empty; the bytes it made, 0 at the end.
  absl::StatusOr<size_t> InflateSome(std::span<std::byte> out);

  const ZipMember& member_;
  std::span<const std::byte> left_;  // packed bytes that zlib, or a copy, has not been given yet
  int64_t read_ = 0;                 // unpacked bytes so far
  uint32_t crc32_ = 0;               // of these
  z_stream stream_ = {};             // for a deflated member
  bool ready_ = false;               // zlib has its memory
  bool ended_ = false;               // zlib has seen the end mark
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_ZIP_READER_H_
