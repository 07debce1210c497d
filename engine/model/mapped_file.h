// A file's bytes as memory, without reading them first.

#ifndef STRIDED_ENGINE_MODEL_MAPPED_FILE_H_
#define STRIDED_ENGINE_MODEL_MAPPED_FILE_H_

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace strided {

// Owns a private, read-only mapping of a whole file; its destruction ends the mapping. Move only;
// const access is thread-safe. A file that shrinks while it is mapped makes reads beyond its end
// fault: versions of a model are replaced by new directories, never in place.
class MappedFile {
 public:
  // Errors as ReadableFile::Open, or what the system says of the mapping.
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  // What is moved from maps nothing; spans that were taken from it stay valid.
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  // Empty for an empty file. Stays where it is when this object moves.
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;  // empty after a move
};

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_MAPPED_FILE_H_
