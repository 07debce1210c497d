// Files opened for reading.

#ifndef STRIDED_ENGINE_BASE_FILE_H_
#define STRIDED_ENGINE_BASE_FILE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace strided {

// An open regular file; its destruction closes it. Move only.
class ReadableFile {
 public:
  // NotFound where there is no such file, InvalidArgument where it is not a regular file (a
  // directory, a pipe), else what the system says; the text starts with the path.
  static absl::StatusOr<ReadableFile> Open(const std::string& path);

  // What is moved from has no file: it may only be destroyed or assigned to.
  ReadableFile(ReadableFile&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}
  ReadableFile& operator=(ReadableFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~ReadableFile();

  // Owned by this object: valid as long as it lives, not to be closed.
  int descriptor() const { return descriptor_; }
  // Bytes, when it was opened.
  int64_t size() const { return size_; }

 private:
  ReadableFile(int descriptor, int64_t size) : descriptor_(descriptor), size_(size) {}

  int descriptor_;  // -1 after a move
  int64_t size_;
};

// The contents of a file of at most `limit_bytes`. Errors as ReadableFile::Open; InvalidArgument
// with both sizes where the file is larger: what is read into memory whole has a limit that the
// caller knows. Thread-safe.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, int64_t limit_bytes);

}  // namespace strided

#endif  // STRIDED_ENGINE_BASE_FILE_H_
